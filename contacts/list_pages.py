"""Pages of a list of any length: counted as far as it is cheap, turned from row to row beyond that."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Paginator
from django.db import connection
from django.db.models import BooleanField, F, Func, QuerySet, Value
from django.db.models.expressions import OrderBy
from django.utils.functional import cached_property

COUNTED_UP_TO = 10_000
# What an address asks for besides the page's number: the row that the page comes after or before, or the end.
AFTER, BEFORE, END = "after", "before", "end"
PLACES = (AFTER, BEFORE, END)


class CappedPaginator(Paginator):
    """Counts up to COUNTED_UP_TO rows: counting a million for one page costs more than the page."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return rows.order_by()[: COUNTED_UP_TO + 1].count()

    @property
    def shown_count(self) -> str:
        """The count as people read it: 1,204 or 10,000+."""
        return in_words(self.count)


def in_words(count: int, *, is_estimate: bool = False) -> str:
    """A count of rows as people read it: 1,204, 10,000+ or about 1,230,000."""
    if is_estimate:
        places = 3 - len(str(count))
        return f"about {round(count, places):,}"
    return f"{COUNTED_UP_TO:,}+" if count > COUNTED_UP_TO else f"{count:,}"


@dataclass(frozen=True)
class Order:
    """What a list is sorted by: `value`, if anything but the id, then the id in the same direction."""

    value: Any = None
    descending: bool = True

    @classmethod
    def of(cls, first: Any) -> "Order":
        """From the first thing that Django's list would sort by: a field's name or an expression."""
        if isinstance(first, OrderBy):
            return cls(first.expression, first.descending)
        name = first.removeprefix("-")
        return cls(None if name in ("pk", "id") else F(name), first.startswith("-"))

    def by(self, *, backwards: bool = False) -> list[OrderBy]:
        """What to sort by for this order, or for the opposite one."""
        values = [F("pk")] if self.value is None else [self.value, F("pk")]
        return [OrderBy(value, descending=self.descending != backwards) for value in values]

    def sorted(self, rows: QuerySet, *, backwards: bool = False) -> QuerySet:
        return rows.order_by(*self.by(backwards=backwards))

    def beyond(self, rows: QuerySet, key: int, *, backwards: bool = False) -> QuerySet | None:
        """The rows behind the one with this id, in order; before it when `backwards`, nearest first.

        None where the row is gone and its place is not told by its id alone.
        """
        sign = "<" if self.descending != backwards else ">"
        if self.value is None:
            found = rows.filter(_Compared(sign, F("pk"), Value(key)))
        else:
            of_key = rows.model._default_manager.filter(pk=key).annotate(sorted_by=self.value)
            value = of_key.values_list("sorted_by", flat=True).first()
            if value is None:
                return None
            given = Value(value, output_field=of_key.query.annotations["sorted_by"].output_field)
            found = rows.filter(_Compared(sign, self.value, F("pk"), given, Value(key)))
        return self.sorted(found, backwards=backwards)


class _Compared(Func):
    """(a, b) < (c, d), which an index over both columns answers; half of the expressions on either side."""

    output_field = BooleanField()

    def __init__(self, sign: str, *expressions: Any) -> None:
        super().__init__(*expressions)
        self.sign = sign

    def as_sql(self, compiler: Any, connection: Any, **_: Any) -> tuple[str, list[Any]]:
        compiled = [compiler.compile(each) for each in self.source_expressions]
        half = len(compiled) // 2
        left, right = (", ".join(sql for sql, _ in part) for part in (compiled[:half], compiled[half:]))
        return f"({left}) {self.sign} ({right})", [each for _, given in compiled for each in given]


@dataclass(frozen=True)
class Page:
    """One page: ids of its rows in order. `number` is None where nobody has counted that far."""

    ids: Sequence[int]
    number: int | None
    has_before: bool
    has_after: bool


class NoSuchPage(Exception):
    """The address asks for a page that is not there."""


class ListPages:
    """The pages of sorted rows. `first` are ids of them that stand before all others, whatever the order.

    One query finds how many there are, and which, up to COUNTED_UP_TO; a page behind those takes one more.
    Of a whole table PostgreSQL's own estimate is taken instead, where that says there are more. Nothing is
    counted of rows that are `surely_long`: more than COUNTED_UP_TO, as the caller has found out.
    """

    def __init__(
        self,
        rows: QuerySet,
        order: Order,
        *,
        per_page: int,
        first: Sequence[int] = (),
        surely_long: bool = False,
    ) -> None:
        self.order, self.per_page = order, per_page
        self.estimate = _estimate_of(rows)
        self.rows = order.sorted(rows)
        self.looks_ahead = self.estimate is None and not surely_long
        self.known: list[int] = []
        if self.looks_ahead:
            self.known = list(self.rows.values_list("pk", flat=True)[: COUNTED_UP_TO + 1])
        self.first = list(first)
        if self.first:
            self.known = [*self.first, *(pk for pk in self.known if pk not in self.first)]

    @property
    def count(self) -> int:
        """How many rows; just over COUNTED_UP_TO where there are more, or the estimate."""
        if self.looks_ahead:
            return min(len(self.known), COUNTED_UP_TO + 1)
        return self.estimate or COUNTED_UP_TO + 1

    @property
    def shown_count(self) -> str:
        return in_words(self.count, is_estimate=self.estimate is not None)

    @property
    def is_counted(self) -> bool:
        return self.count <= COUNTED_UP_TO

    @property
    def numbered(self) -> int:
        """How many pages can be asked for by their number."""
        return -(-min(self.count, COUNTED_UP_TO) // self.per_page) or 1

    def page(self, asked: Mapping[str, str]) -> Page:
        """The page that an address asks for. Raises NoSuchPage for a number that is none, or too high."""
        number = asked.get("p", "1")
        if not (number.isdecimal() and len(number) < 10 and int(number) > 0):
            raise NoSuchPage
        for place in (AFTER, BEFORE):
            key = asked.get(place, "")
            if key.isdecimal() and len(key) < 19:
                found = self._from_row(int(key), place == BEFORE, int(number))
                if found is not None:
                    return found
        if asked.get(END):
            return self._last()
        return self._numbered(int(number))

    def _numbered(self, number: int) -> Page:
        if number > self.numbered:
            raise NoSuchPage
        start = (number - 1) * self.per_page
        return self._part(start, number)

    def _part(self, start: int, number: int | None) -> Page:
        """The page that begins with this row, counted from 0."""
        end = start + self.per_page
        if self.looks_ahead:
            ids = self.known[start : end + 1]
        else:
            ids = list(self.rows.values_list("pk", flat=True)[start : end + 1])
        return Page(ids[: self.per_page], number, start > 0, len(ids) > self.per_page)

    def _from_row(self, key: int, backwards: bool, number: int) -> Page | None:
        """None where the row is gone, and with it the place; or where nothing is left before it."""
        if self.is_counted:
            place = self._place_of(key)
            if place is None:
                return None
            index, is_there = place
            start = max(index - self.per_page, 0) if backwards else index + is_there
            return self._part(start, start // self.per_page + 1) if start < len(self.known) else None
        others = self.rows.exclude(pk__in=self.first) if self.first else self.rows
        found = self.order.beyond(others.order_by(), key, backwards=backwards)
        if found is None:
            return None
        ids = list(found.values_list("pk", flat=True)[: self.per_page + 1])
        is_full = len(ids) > self.per_page
        if backwards and not is_full:
            return self._numbered(1)
        shown = ids[: self.per_page]
        return Page(shown[::-1], number, is_full, True) if backwards else Page(shown, number, True, is_full)

    def _place_of(self, key: int) -> tuple[int, bool] | None:
        """Where among the known rows it stands, or would stand; None where that cannot be told."""
        if key in self.known:
            return self.known.index(key), True
        if self.order.value is not None or self.first:
            return None
        sign = -1 if self.order.descending else 1
        return bisect_left(self.known, sign * key, key=lambda pk: sign * pk), False

    def _last(self) -> Page:
        if self.is_counted:
            return self._numbered(self.numbered)
        ids = list(self.order.sorted(self.rows, backwards=True).values_list("pk", flat=True)[: self.per_page])
        return Page(ids[::-1], None, True, False)


def numbers_around(number: int | None, pages: int) -> Iterator[int]:
    """The pages within two of this one; the first five where its number is not known."""
    middle = min(number or 3, pages)
    return iter(range(max(middle - 2, 1), min(middle + 2, pages) + 1))


def _estimate_of(rows: QuerySet) -> int | None:
    """What PostgreSQL thinks a whole table holds, if more than is counted; None for any part of a table.

    Never for rows that were chosen in any way: an estimate over what somebody may not see would tell of it.
    """
    if connection.vendor != "postgresql" or rows.query.where or rows.query.is_sliced:
        return None
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT reltuples::bigint FROM pg_class WHERE oid = to_regclass(%s)",
            [f'"{rows.model._meta.db_table}"'],
        )
        found = cursor.fetchone()
    return found[0] if found and found[0] > COUNTED_UP_TO else None

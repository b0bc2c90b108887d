"""The staging area: rows as they came, in lots of one data set and the same columns; read again as tables."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from django.db import connection
from django.db.models import Count, Max, Q, QuerySet

from contacts.bulk import insert_rows
from contacts.cleaning import Unreadable, tidy
from contacts.import_files import BadMap, Layout, lay_out
from contacts.importers import IMPORTERS, Importer
from contacts.row_blocks import Block, FileRefused, Row
from ticketing.connectors import KINDS
from ticketing.connectors.base import PRIMARY_NAME, ChangedSchema, DataSet, Listed, Page
from ticketing.models import PullRun, SourceConnection, StagedRow

BETWEEN = "\x1f"  # cells; connectors let none through that holds one (base.cell)
ROWS_OF_A_BLOCK = 5_000
OTHERS = "others"  # rows of accounts that are not their primary customer name
NUMBERS = "numbers"  # the full list of accounts: cells hold what one was merged into, or ERASED
ERASED = "\x1ferased"
_LONGEST_KEY, _KEPT_OF_KEY = 400, 100

_JOBS = {
    DataSet.ACCOUNTS: "import_system_refs",
    DataSet.NAMES: "import_related_names",
    DataSet.PURCHASES: "import_purchases",
}
_NO = frozenset(("", "0", "false", "f", "no", "n"))


def importer_of(data_set: DataSet) -> Importer:
    """What takes the rows of a data set: the same as takes its files."""
    return IMPORTERS[_JOBS[data_set]]


def column_map_of(connection: SourceConnection, data_set: DataSet) -> dict[str, str]:
    """Their column -> ours, or a blank for one to leave out: the connector's own words, then the mapping."""
    usual = KINDS[connection.connector].columns.get(data_set, {})
    return {**usual, **connection.mapping.get(data_set.value, {})}


@dataclass(frozen=True)
class Lot:
    """Rows of one data set with the same columns. `name` is that data set's, or OTHERS, and a number."""

    name: str
    columns: tuple[str, ...]

    @property
    def prefix(self) -> str:
        """What they came as: a data set's name, or OTHERS."""
        return self.name.partition(".")[0]

    @property
    def number(self) -> int:
        """Its place among the lots that came as the same: later ones hold newer rows."""
        return int(self.name.partition(".")[2])

    @property
    def is_others(self) -> bool:
        """Whether they are related names that came among the accounts."""
        return self.prefix == OTHERS

    @property
    def told_as(self) -> DataSet:
        """The data set whose mapping their columns follow."""
        return DataSet.ACCOUNTS if self.is_others else DataSet(self.prefix)

    @property
    def taken_as(self) -> DataSet:
        """What they are to us."""
        return DataSet.NAMES if self.is_others else self.told_as

    @property
    def importer(self) -> Importer:
        """What takes them."""
        return importer_of(self.taken_as)

    def column_map(self, connection: SourceConnection) -> dict[str, str]:
        """Their column -> ours, as far as this lot's importer knows ours."""
        known = set(self.importer.column_names)
        told = column_map_of(connection, self.told_as)
        return {theirs: ours for theirs, ours in told.items() if ours in known}

    def header(self, connection: SourceConnection) -> list[str]:
        """The columns as a table's header: those left out, and those that are nothing to us, have no name."""
        told = column_map_of(connection, self.told_as)
        known = {_bare(name) for name in self.importer.column_names}
        return [
            name if told.get(name) or (name not in told and _bare(name) in known) else ""
            for name in self.columns
        ]

    def layout(self, connection: SourceConnection) -> Layout:
        """Where our columns stand in it. Raises ChangedSchema, naming what is missing."""
        header = self.header(connection)
        given = f"The source gives {', '.join(self.columns)[:500]}."
        if not any(header):
            needed = ", ".join(self.importer.required)
            raise ChangedSchema(
                f"No column of the {self.told_as} is mapped yet; {needed} must be.",
                advice=f"{given} Map them, or name them so in the query.",
            )
        try:
            return lay_out(
                header,
                ours=self.importer.column_names,
                required=self.importer.required,
                column_map=self.column_map(connection),
            )
        except (BadMap, FileRefused) as error:
            raise ChangedSchema(
                f"The columns of the {self.told_as} do not fit the mapping: {error}",
                advice=f"{given} Correct the query or the mapping.",
            ) from None


class StagingArea:
    """What one run has staged. Pages go in; lots come out as tables."""

    def __init__(self, run: PullRun) -> None:
        self._run = run
        self._connection = run.connection

    @property
    def lots(self) -> list[Lot]:
        """The lots in the order in which they are to be published: accounts before what hangs on them."""
        order = [DataSet.ACCOUNTS.value, OTHERS, DataSet.NAMES.value, DataSet.PURCHASES.value]
        found = [Lot(name, tuple(columns)) for name, columns in self._run.columns.items()]
        return sorted(found, key=lambda lot: (order.index(lot.prefix), lot.number))

    def add(self, data_set: DataSet, page: Page) -> None:
        """Stage a page; call it in the transaction that keeps where the download goes on.

        Notes a new lot on the run, which the caller saves. Raises ChangedSchema for columns that do not fit.
        """
        if not page.rows:
            return
        if data_set is DataSet.ACCOUNTS and (place := self._primary_name_at(page)) is not None:
            mine = [row for row in page.rows if row[place].strip().lower() not in _NO]
            others = [row for row in page.rows if row[place].strip().lower() in _NO]
            self._add(data_set.value, page.columns, mine)
            self._add(OTHERS, *self._with_name_ids(page.columns, others))
        else:
            self._add(data_set.value, page.columns, page.rows)

    def add_numbers(self, listed: Sequence[Listed]) -> None:
        """Stage a part of the full list of accounts."""
        insert_rows(
            StagedRow,
            ("run", "lot", "key", "cells"),
            ((self._run.pk, NUMBERS, _key(one.number), _said_of(one)) for one in listed),
        )

    def staged_keys(self, data_set: DataSet) -> QuerySet:
        """The keys of the rows of a data set that came in this run, for a subquery."""
        mine = Q(lot__startswith=f"{data_set.value}.")
        if data_set is DataSet.ACCOUNTS:
            mine |= Q(lot__startswith=f"{OTHERS}.")
        return StagedRow.objects.filter(mine, run=self._run).values("key")

    def table(self, lot: Lot) -> "StagedTable":
        """The lot's rows that are still to be taken, as a table."""
        return StagedTable(self._run, lot, lot.header(self._connection))

    def last_number(self) -> int:
        """The number of the row staged last; 0 when there is none."""
        return StagedRow.objects.filter(run=self._run).aggregate(last=Max("pk"))["last"] or 0

    def rows_left(self) -> int:
        """How many rows are staged."""
        return StagedRow.objects.filter(run=self._run).exclude(lot=NUMBERS).count()

    def drop(self, ids: Sequence[int]) -> None:
        """Forget rows that were taken, or that say nothing new."""
        if ids:
            StagedRow.objects.filter(pk__in=ids)._raw_delete(using=StagedRow.objects.db)  # noqa: SLF001

    def drop_up_to(self, lot: Lot, number: int) -> None:
        """Forget the lot's rows up to this one."""
        staged = StagedRow.objects.filter(run=self._run, lot=lot.name, pk__lte=number)
        staged._raw_delete(using=StagedRow.objects.db)  # noqa: SLF001

    def key_of(self, lot: Lot) -> Callable[[Sequence[str]], str]:
        """How the key of a row's cells is made, as it is staged."""
        positions = lot.layout(self._connection).positions
        first, *more = (positions[name] for name in lot.importer.key_columns)
        if not more:
            return lambda row: _key(row[first]) or _key_of_none(row)
        places = (first, *more)
        return lambda row: _shortened(BETWEEN.join(_key(row[place]) for place in places))

    def tell_planner(self) -> None:
        """Let PostgreSQL know how much is staged: it would plan a question about it as if it were little."""
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(f'ANALYZE "{StagedRow._meta.db_table}"')

    def clear(self, lot: str = "") -> None:
        """Forget everything that this run staged, or one lot: personal data, which nobody needs any more."""
        staged = StagedRow.objects.filter(run=self._run, **({"lot": lot} if lot else {}))
        staged._raw_delete(using=StagedRow.objects.db)  # noqa: SLF001

    def _add(self, prefix: str, columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
        if not rows:
            return
        lot = self._lot(prefix, columns)
        key_of = self.key_of(lot)
        insert_rows(
            StagedRow,
            ("run", "lot", "key", "cells"),
            ((self._run.pk, lot.name, key_of(row), _storable(BETWEEN.join(row))) for row in rows),
        )

    def _lot(self, prefix: str, columns: tuple[str, ...]) -> Lot:
        """The newest lot of these if it has these columns, else a new one: what came later is taken later."""
        of_set = [lot for lot in self.lots if lot.prefix == prefix]
        if of_set and of_set[-1].columns == columns:
            return of_set[-1]
        lot = Lot(f"{prefix}.{len(of_set)}", columns)
        lot.layout(self._connection)
        self._run.columns = {**self._run.columns, lot.name: list(columns)}
        return lot

    def _with_name_ids(
        self, columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]
    ) -> tuple[tuple[str, ...], Sequence[tuple[str, ...]]]:
        """Related names with an id: where the source gives none, the name itself tells them apart."""
        told = column_map_of(self._connection, DataSet.ACCOUNTS)
        meant = [_bare(told.get(name, name)) for name in columns]
        if _bare("name_id") in meant:
            return columns, rows
        places = [meant.index(name) for name in ("firstname", "lastname") if name in meant]
        return (*columns, "name_id"), [(*row, " ".join(row[place] for place in places)) for row in rows]

    def _primary_name_at(self, page: Page) -> int | None:
        told = column_map_of(self._connection, DataSet.ACCOUNTS)
        for place, name in enumerate(page.columns):
            if told.get(name) == PRIMARY_NAME or (name not in told and _bare(name) == _bare(PRIMARY_NAME)):
                return place
        return None


class StagedBlock:
    """Some staged rows, as a Block; the line of a row is its number in the staging area."""

    def __init__(self, rows: Sequence[tuple[int, str]]) -> None:
        self.ids = [number for number, _cells in rows]
        self._cells = [cells for _number, cells in rows]

    def __len__(self) -> int:
        return len(self.ids)

    def row(self, index: int) -> Row | None:
        return self.ids[index], self._cells[index].split(BETWEEN)

    def texts(self) -> Sequence[bytes | None]:
        return [cells.encode() for cells in self._cells]

    def column(self, position: int) -> list[str]:
        return [cells.split(BETWEEN, position + 1)[position] for cells in self._cells]


class StagedTable:
    """A lot as a Table: what is still to be taken of it, in the order it came."""

    def __init__(self, run: PullRun, lot: Lot, header: list[str]) -> None:
        self.header = header
        self._staged = StagedRow.objects.filter(run=run, lot=lot.name)
        self.size = 0
        self._done = 0

    @cached_property
    def has_unique_keys(self) -> bool:
        """Whether no key stands twice among what is left; asked of the database once."""
        keys = self._staged.order_by().values("key").annotate(times=Count("pk"))
        return not keys.filter(times__gt=1).exists()

    def blocks(self, columns: Sequence[int]) -> Iterator[Block]:
        """Blocks of what is left; rows that are dropped behind the reader's back do no harm."""
        for block in self.staged_blocks():
            self._done += len(block)
            yield block

    def staged_blocks(self) -> Iterator[StagedBlock]:
        """The same, with the numbers of the rows."""
        last = 0
        while rows := list(self._next(last)):
            last = rows[-1][0]
            yield StagedBlock(rows)

    def rows(self) -> Iterator[Row]:
        for block in self.blocks(()):
            for index in range(len(block)):
                if (row := block.row(index)) is not None:
                    yield row

    def position(self) -> int:
        return self._done

    def _next(self, last: int) -> Iterator[tuple[int, str]]:
        rows = self._staged.filter(pk__gt=last).order_by("pk").values_list("pk", "cells")
        return iter(rows[:ROWS_OF_A_BLOCK])


def _key(text: str) -> str:
    """An account's number, or another key, as it is stored once it is read: so that keys can be compared."""
    try:
        return _shortened(_storable(tidy(text)))
    except Unreadable:
        return _shortened(_storable(text.strip()))


def _key_of_none(row: Sequence[str]) -> str:
    """Rows without a key wait each by itself."""
    return f"no key {hashlib.sha256(BETWEEN.join(row).encode('utf-8', 'replace')).hexdigest()[:16]}"


def _shortened(key: str) -> str:
    """A key that an index takes: of one that is longer than any that is right, its beginning and a digest."""
    if len(key) <= _LONGEST_KEY:
        return key
    return f"{key[:_KEPT_OF_KEY]}… {hashlib.sha256(key.encode('utf-8', 'replace')).hexdigest()}"


def _said_of(listed: Listed) -> str:
    """What a line of the full list says beside the number; to be merged into itself says nothing."""
    if listed.is_erased:
        return ERASED
    into = _key(listed.merged_into)
    return "" if into == _key(listed.number) else into


def _storable(text: str) -> str:
    """The text without what no database stores: half characters become marks of loss."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _bare(name: str) -> str:
    return name.replace("_", "").replace("-", "").replace(" ", "").lower()

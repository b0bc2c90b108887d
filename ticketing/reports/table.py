"""A report as a table: one description for the screen, the files and the sorting."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum, auto
from typing import Any

from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from contacts.models import TicketSystem
from contacts.shares import share_text
from contacts.templatetags.kore import money, system_badge

NOTHING = "–"
TINTS = 10


class Kind(Enum):
    """What stands in a column."""

    COUNT = auto()
    MONEY = auto()
    SHARE = auto()  # percent, None where there is nothing to have a share in
    TEXT = auto()
    SYSTEMS = auto()


@dataclass(frozen=True)
class Column:
    """A column under its group: a ticket system, or a title such as All systems."""

    title: str
    kind: Kind = Kind.COUNT
    group: str = ""
    system: TicketSystem | None = None
    currency: str = ""
    is_tinted: bool = False

    @property
    def is_figure(self) -> bool:
        return self.kind in (Kind.COUNT, Kind.MONEY, Kind.SHARE)

    @property
    def full_title(self) -> str:
        """Its title where no group stands above it, as in a file."""
        group = self.system.code if self.system else self.group
        return " ".join(part for part in (group, self.title) if part)


@dataclass(frozen=True)
class Figure:
    """What is told, and after a plus what is withheld; None where there is nothing to tell.

    Holds nothing that is not printed: who sorts or draws by it, gives nothing away.
    """

    value: Any = None
    withheld: str = ""

    def text(self, column: Column) -> str | SafeString:
        """As the screen shows it."""
        told = _TEXTS[column.kind](self.value, column) if self.value is not None else NOTHING
        return f"{told} + {self.withheld}" if self.withheld else told

    def cell(self, column: Column) -> Any:
        """As a file holds it: a number, where nothing of it is withheld."""
        if column.kind is Kind.SYSTEMS:
            return "; ".join(system.code for system in self.value or ())
        if self.withheld:
            return f"{0 if self.value is None else self.value} + {self.withheld}"
        if column.kind is Kind.SHARE and isinstance(self.value, float):
            return share_text(self.value).removesuffix(" %")
        return "" if self.value is None else self.value

    def order(self, column: Column) -> Any:
        """What it is sorted by in its column: systems by their codes, all else by itself."""
        if column.kind is Kind.SYSTEMS:
            return [system.code.casefold() for system in self.value or ()]
        return self.value

    @property
    def tint(self) -> int:
        """The depth of a share on the palette, 0 to 10."""
        return min(TINTS, round((self.value or 0) / 100 * TINTS))


@dataclass(frozen=True)
class Row:
    """A line: its label, what it sorts by, a figure for each column, and where its label leads."""

    label: str
    order: Any
    figures: Sequence[Figure]
    system: TicketSystem | None = None
    address: str = ""


@dataclass(frozen=True)
class Group:
    """Neighbouring columns under one title."""

    title: str
    system: TicketSystem | None
    width: int


@dataclass(frozen=True)
class Table:
    """Rows under columns, and the totals, which are never sorted among them."""

    label: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    totals: Sequence[Row] = ()

    @property
    def groups(self) -> list[Group]:
        """The upper line of the header; empty where no column has a group."""
        groups: list[Group] = []
        for column in self.columns:
            if groups and (groups[-1].title, groups[-1].system) == (column.group, column.system):
                groups[-1] = replace(groups[-1], width=groups[-1].width + 1)
            else:
                groups.append(Group(column.group, column.system, 1))
        return groups if any(group.title or group.system for group in groups) else []

    def sorted_by(self, number: int, *, descending: bool) -> "Table":
        """By a column, counted from 1, or by the label, which is 0; figures that are not there stand last."""
        if number == 0:
            rows = sorted(self.rows, key=lambda row: row.order, reverse=descending)
            return replace(self, rows=rows)
        column = self.columns[number - 1]
        known = [row for row in self.rows if row.figures[number - 1].value is not None]
        blank = [row for row in self.rows if row.figures[number - 1].value is None]
        known.sort(key=lambda row: row.figures[number - 1].order(column), reverse=descending)
        return replace(self, rows=[*known, *blank])

    def lines(self) -> Iterator[list[Any]]:
        """The header and every row as a file holds them: exactly what the screen shows, in its order."""
        yield [self.label, *(column.full_title for column in self.columns)]
        for row in (*self.rows, *self.totals):
            cells = zip(row.figures, self.columns, strict=True)
            label = row.system.code if row.system else row.label
            yield [label, *(figure.cell(column) for figure, column in cells)]


def _count(value: int, _column: Column) -> str:
    return f"{value:,}"


def _money(value: Decimal, column: Column) -> str:
    return money(value, column.currency)


def _share(value: float, _column: Column) -> str:
    return share_text(value)


def _text(value: str, _column: Column) -> str:
    return value or NOTHING


def _systems(value: Sequence[TicketSystem], _column: Column) -> SafeString:
    return format_html_join(" ", "{}", ((system_badge(system),) for system in value))


_TEXTS = {
    Kind.COUNT: _count,
    Kind.MONEY: _money,
    Kind.SHARE: _share,
    Kind.TEXT: _text,
    Kind.SYSTEMS: _systems,
}

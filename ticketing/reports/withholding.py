"""Which figures of a table are withheld, so that no small one follows from the rest; no database.

A row tells what the reader sees and what systems out of sight add to it. Where these add fewer people or
purchases than the organisation's smallest figure, the addition is withheld, and with it as many others as
it takes that no sum of the table, less what is told, leaves it over.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

WITHHELD = "…"
Counts = Sequence[int]


def small(count: int, smallest: int) -> bool:
    """Whether a figure of its own says too much about too few."""
    return 1 <= count < smallest


def mark(count: int, smallest: int) -> str:
    """What is printed for an addition that stands in no sum: `<5`, or nothing where it is told."""
    return f"<{smallest}" if small(count, smallest) else ""


@dataclass(frozen=True)
class Withholding:
    """What is withheld of a table: rows, of which `uniform` say nothing of their size, and its total."""

    hidden: Sequence[Counts]
    smallest: int
    rows: frozenset[int] = frozenset()
    uniform: frozenset[int] = frozenset()
    is_total_withheld: bool = False

    def of_row(self, row: int, measure: int) -> str:
        """`<5` for a small addition, `…` for one withheld beside it, nothing for one that is told."""
        if row in self.uniform:
            return WITHHELD
        return _printed(self.hidden[row][measure], self.smallest) if row in self.rows else ""

    def of_total(self, measure: int) -> str:
        """The same of the table's total."""
        count = sum(row[measure] for row in self.hidden)
        return _printed(count, self.smallest) if self.is_total_withheld else ""


def withhold(hidden: Sequence[Counts], smallest: int, *, groups: Sequence[Sequence[int]] = ()) -> Withholding:
    """Decide for a table with these additions, a line of counts per row; all measures of a row go together.

    `groups` parts all rows into those whose sum another report tells, such as the months of a year. The total
    is told unless it is small itself, which then holds in every report alike.
    """
    totals = [sum(column) for column in zip(*hidden, strict=True)]
    is_total_withheld = any(small(total, smallest) for total in totals)
    sums_told, rest = _told(hidden, smallest, groups)
    if not is_total_withheld:
        sums_told.append(rest)
    chosen = {row for row, counts in enumerate(hidden) if any(small(count, smallest) for count in counts)}
    uniform: set[int] = set()
    for rows in sums_told:
        _complete(rows, chosen, uniform, hidden, smallest)
    return Withholding(hidden, smallest, frozenset(chosen), frozenset(uniform), is_total_withheld)


def _told(
    hidden: Sequence[Counts], smallest: int, groups: Sequence[Sequence[int]]
) -> tuple[list[Sequence[int]], Sequence[int]]:
    """The groups whose sums the other report tells, by this same rule, and the rows of all the others."""
    if not groups:
        return [], range(len(hidden))
    sums = [[sum(column) for column in zip(*(hidden[row] for row in rows), strict=True)] for rows in groups]
    withheld = withhold(sums, smallest).rows
    told = [rows for number, rows in enumerate(groups) if number not in withheld]
    return told, sorted(row for number in withheld for row in groups[number])


def _complete(
    rows: Sequence[int],
    chosen: set[int],
    uniform: set[int],
    hidden: Sequence[Counts],
    smallest: int,
) -> None:
    """Withhold more of these rows, whose sum is told, the largest first, until none follows from it."""
    more = sorted((row for row in rows if row not in chosen and any(hidden[row])), key=lambda r: hidden[r])
    while unknown := [row for row in rows if row in chosen]:
        columns = zip(*(hidden[row] for row in unknown), strict=True)
        if all(_is_safe([_Cell.of(count, smallest) for count in column], smallest) for column in columns):
            return
        if not more:
            chosen.update(rows)
            uniform.update(rows)
            return
        chosen.add(more.pop())


@dataclass(frozen=True)
class _Cell:
    """A withheld addition, and between what figures the print lets it lie."""

    count: int
    least: float
    most: float

    @classmethod
    def of(cls, count: int, smallest: int) -> "_Cell":
        if small(count, smallest):
            return cls(count, 1, smallest - 1)
        return cls(count, smallest, inf) if count else cls(0, 0, 0)


def _is_safe(cells: Sequence[_Cell], smallest: int) -> bool:
    """Whether their sum may be known: it fixes none of them that its print does not fix, nor is it small."""
    total = sum(cell.count for cell in cells)
    if total == 0:
        return True
    if small(total, smallest) or sum(cell.count > 0 for cell in cells) < 2:
        return False
    least, most = sum(cell.least for cell in cells), sum(cell.most for cell in cells)
    return all(
        min(cell.most, total - (least - cell.least)) > max(cell.least, total - _less(most, cell, cells))
        for cell in cells
        if cell.least < cell.most
    )


def _less(most: float, cell: _Cell, cells: Sequence[_Cell]) -> float:
    """The most that the other cells can add up to."""
    if most < inf:
        return most - cell.most
    return sum(other.most for other in cells if other is not cell)


def _printed(count: int, smallest: int) -> str:
    return mark(count, smallest) or (WITHHELD if count else "")

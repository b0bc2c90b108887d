"""Blocks of a file's rows, read together: what each row says as one text, and its cells where asked for."""

import csv
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Protocol

from contacts.cleaning import Refusal

Row = tuple[int, list[str]] | Refusal  # the line a row begins on and its cells, or why it is none
_BETWEEN = "\0"  # between the cells of a text; no cell that is ever taken holds one


class FileRefused(Exception):
    """The file as a whole cannot be read; says why, and what to do."""


class Block(Protocol):
    """Some rows that follow each other, by their index in the block."""

    def __len__(self) -> int: ...

    def row(self, index: int) -> Row | None:
        """The row as row-wise reading gives it; None where the line is blank."""

    def texts(self) -> Sequence[bytes | None]:
        """What each row says in the columns asked for: two rows with equal texts have equal cells there.

        None for a row that is none or has too many or too few cells. A blank line may have any text.
        """

    def column(self, position: int) -> list[str]:
        """Each row's cell there; empty where there is none."""


class Table(Protocol):
    """A file's rows under its header."""

    header: list[str]
    size: int

    @property
    def has_unique_keys(self) -> bool:
        """Whether it is known that no key stands twice."""

    def rows(self) -> Iterator[Row]:
        """Each row that is not blank, with the line it begins on (the header being 1); or why it is none."""

    def blocks(self, columns: Sequence[int]) -> Iterator[Block]:
        """The same rows in blocks, from the first; texts are over the cells at `columns`, in that order.

        Blocks depend on the file alone. May be called again, for another walk through the file.
        """

    def position(self) -> int:
        """Bytes of `size` read so far, as far as can be told."""


class RowBlock:
    """Rows whose cells were read."""

    def __init__(self, rows: Sequence[Row], *, columns: Sequence[int], width: int) -> None:
        self._rows = rows
        self._columns = columns
        self._width = width

    def __len__(self) -> int:
        return len(self._rows)

    def row(self, index: int) -> Row | None:
        return self._rows[index]

    def texts(self) -> Sequence[bytes | None]:
        width = self._width
        pick = itemgetter(*self._columns)
        # With one column itemgetter gives the cell itself; a row in two parts cannot be mistaken for it.
        join = _BETWEEN.join if len(self._columns) > 1 else str
        return [
            join(pick(row[1])).encode("utf-8", "surrogatepass")
            if not isinstance(row, Refusal) and len(row[1]) == width
            else None
            for row in self._rows
        ]

    def column(self, position: int) -> list[str]:
        return [
            "" if isinstance(row, Refusal) or len(row[1]) <= position else row[1][position]
            for row in self._rows
        ]


class LineBlock:
    """Lines without a quote, each a row that ends alike: cells are read only where they are asked for."""

    def __init__(self, text: str, end: str, *, lines: list[str], first: int, delimiter: str) -> None:
        self._text = text
        self._end = end
        self._lines = lines
        self._first = first
        self._delimiter = delimiter

    def __len__(self) -> int:
        return len(self._lines)

    def row(self, index: int) -> Row | None:
        cells = next(csv.reader([self._lines[index]], delimiter=self._delimiter))
        return (self._first + index, cells) if any(cells) else None

    def texts(self) -> Sequence[bytes | None]:
        # Without quotes a line's delimiters stand between its cells and nowhere else.
        joined = self._text.replace(self._delimiter, _BETWEEN).encode("utf-8", "surrogatepass")
        return joined.split(self._end.encode())[: len(self._lines)]

    def column(self, position: int) -> list[str]:
        delimiter = self._delimiter
        if position == 0:
            return [line.partition(delimiter)[0] for line in self._lines]
        cuts = (line.split(delimiter, position + 1) for line in self._lines)
        return [cells[position] if len(cells) > position else "" for cells in cuts]


def read_block(lines: Sequence[str], *, first: int, delimiter: str) -> tuple[list[Row], int] | None:
    """The rows that are whole within these lines (with their ends), blank ones left out, and their lines.

    `first` is the number of the first line. None when they have to be read one by one: a cell is too long,
    or the first row goes on behind the last line.
    """
    reader = csv.reader([*lines, "end"], delimiter=delimiter)
    rows: list[Row] = []
    begins = 0
    try:
        for cells in reader:
            if reader.line_num > len(lines):  # the added line, alone or as the end of a row that goes on
                break
            if any(cells):
                rows.append((first + begins, cells))
            begins = reader.line_num
    except csv.Error:
        return None
    return (rows, begins) if begins else None

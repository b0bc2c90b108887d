"""An open file in chunks to be written: rows that are known already counted, the others read and cleaned."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any

from contacts.cleaning import Refusal, RowCleaner
from contacts.import_files import RETURNED_COLUMNS, Layout, unescape_formula
from contacts.importers import Importer
from contacts.models import TicketSystem
from contacts.repeats import KeyCount, joined_keys, keys_of
from contacts.row_blocks import Block, Row, Table
from contacts.services.arrivals import ROWS_AT_ONCE
from contacts.services.row_prints import Printer

MOST_SET_ASIDE = 10_000  # rows held in memory, some 20 MB
_KNOWN_AT_ONCE = 20_000
_LONGEST_KEPT_CELL = 2000
_CONTROLS = {code: chr(0x2400 + code) for code in range(32) if chr(code) not in "\t\n\r"}


@dataclass
class Chunk:
    """Some rows of a file: those cleaned, those refused so far, and the cells of all by line; how many
    more are known to say nothing new."""

    rows: list[Any] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    cells: dict[int, list[str]] = field(default_factory=dict)
    prints: dict[int, str] = field(default_factory=dict)
    known: int = 0
    columns: Collection[str] = ()  # ours that the file has: a blank elsewhere is no word of the file's

    @property
    def read(self) -> int:
        """Rows that had to be read."""
        return len(self.rows) + len(self.refusals)

    @property
    def size(self) -> int:
        """Rows of the file that this chunk stands for."""
        return self.read + self.known

    @property
    def is_full(self) -> bool:
        """Whether it is time to write it."""
        return self.read >= ROWS_AT_ONCE or self.known >= _KNOWN_AT_ONCE


@dataclass
class _Told:
    """A row that has to be taken, or how many before the next one are known."""

    row: Row | None = None
    print: str | None = None
    known: int = 0


@dataclass
class ImportFile:
    """An open file and how it is read. `columns` are the positions of the cells that matter, rising."""

    table: Table
    layout: Layout
    cleaner: RowCleaner
    importer: Importer
    system: TicketSystem
    columns: Sequence[int]
    printer: Printer | None = None

    def chunks(self, *, skip: int = 0, shown: int = 0) -> Iterator[Chunk]:
        """All rows but the first `skip`, at most ROWS_AT_ONCE to be written together. Raises FileRefused.

        Rows of a key that stands more than once in the file come last and together, so that what the file
        says of it in the end is compared, once: unless they are more than memory should hold. The first
        `shown` rows are read also when they are known. A row counts as known at the moment its chunk is made.
        """
        aside: list[tuple[str, Row]] = []
        chunk = self._new_chunk()
        for told in self._told(aside, shown=shown):
            skip = self._take(chunk, told, skip)
            if chunk.is_full:
                yield chunk
                chunk = self._new_chunk()
        for _key, rows in groupby(sorted(aside, key=itemgetter(0)), key=itemgetter(0)):
            together = list(rows)
            if chunk.size and chunk.read + len(together) > ROWS_AT_ONCE:
                yield chunk
                chunk = self._new_chunk()
            for _, row in together:
                skip = self._take(chunk, _Told(row), skip)
        if chunk.size:
            yield chunk

    def _new_chunk(self) -> Chunk:
        return Chunk(columns=self.layout.positions.keys())

    def _told(self, aside: list[tuple[str, Row]], *, shown: int) -> Iterator[_Told]:
        repeated = self._repeated()
        is_too_much = sum(repeated.values()) > MOST_SET_ASIDE
        printer = None if is_too_much else self.printer  # a known row may not be parted from its like
        for block in self.table.blocks(self.columns):
            set_aside = {} if is_too_much or not repeated else self._set_aside(block, repeated)
            prints: Sequence[str | None] = printer.prints_of(block.texts()) if printer else []
            unknown: Sequence[int] = printer.unknown(prints) if printer else range(len(block))
            if set_aside or shown > 0:
                unknown = sorted({*unknown, *set_aside, *range(min(shown, len(block)))})
            shown -= len(block)
            behind = 0
            for index in unknown:
                if index > behind:
                    yield _Told(known=index - behind)
                behind = index + 1
                row = block.row(index)
                if row is not None and index in set_aside:
                    aside.append((set_aside[index], row))
                elif row is not None:
                    yield _Told(row, prints[index] if printer else None)
            if behind < len(block):
                yield _Told(known=len(block) - behind)

    def _repeated(self) -> dict[int, int]:
        """By their hashes, the keys that stand more than once in the file, and how often."""
        count = KeyCount()
        if self.table.has_unique_keys:
            return {}
        for block in self.table.blocks(self.columns):
            count.add(self._keys(block))
        return count.repeated()

    def _keys(self, block: Block) -> list[str]:
        parts = [
            keys_of(block.column(self.layout.positions[name]), is_returned=self.layout.is_returned)
            for name in self.importer.key_columns
        ]
        return parts[0] if len(parts) == 1 else joined_keys(parts)

    def _set_aside(self, block: Block, repeated: dict[int, int]) -> dict[int, str]:
        return {index: key for index, key in enumerate(self._keys(block)) if hash(key) in repeated}

    def _take(self, chunk: Chunk, told: _Told, skip: int) -> int:
        """Add what is left when `skip` rows are left out; returns how many are still to be left out."""
        if told.row is None:
            chunk.known += max(told.known - skip, 0)
            return max(skip - told.known, 0)
        if skip:
            return skip - 1
        self._take_row(chunk, told.row, told.print)
        return 0

    def _take_row(self, chunk: Chunk, read: Row, print: str | None) -> None:
        if isinstance(read, Refusal):
            chunk.refusals.append(read)
            return
        line, cells = read
        if self.layout.is_returned:
            cells = [unescape_formula(cell) for cell in cells]
        chunk.cells[line] = cells
        row = self._misplaced(line, cells) if self.layout.system_position is not None else None
        row = row or self.cleaner.clean(line, cells)
        if isinstance(row, Refusal):
            chunk.refusals.append(row)
            return
        chunk.rows.append(row)
        if print:
            chunk.prints[line] = print

    def _misplaced(self, line: int, cells: Sequence[str]) -> Refusal | None:
        """An export may hold rows of several systems: each goes back into its own only."""
        code = "".join(cells[self.layout.system_position :][:1]).strip()
        if code in ("", self.system.code):
            return None
        return Refusal(line, "system", code, f"It is a row of another system than {self.system.code}.")

    @property
    def header(self) -> list[str]:
        """The file's own column names, without those that a file of rejected rows adds."""
        if not self.layout.is_returned:
            return self.table.header
        return [name for name in self.table.header if name not in RETURNED_COLUMNS]

    def row_as_written(self, refusal: Refusal, chunk: Chunk) -> dict[str, str]:
        """The refused row under the file's own names, safe to store and to show."""
        cells = chunk.cells.get(refusal.line, [])
        row = dict(zip(self.table.header, map(printable, cells), strict=False))
        return {name: row.get(name, "") for name in self.header}


def printable(text: str) -> str:
    """The text without characters that databases refuse, cut where it is absurdly long."""
    return text.translate(_CONTROLS)[:_LONGEST_KEPT_CELL]

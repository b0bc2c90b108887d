"""Reads CSV, whatever its delimiter: block by block where that gives the same rows, else line by line."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from contacts.cleaning import Refusal
from contacts.row_blocks import Block, FileRefused, LineBlock, Row, RowBlock, read_block

DELIMITERS = ",;\t|"
LONGEST_LINE = 1_000_000  # characters; a longer one is a broken file and would fill the memory
_BLOCK = 1 << 18  # characters: some thousand rows


class _LineTooLong(Exception):
    pass


class _Lines:
    """Lines for csv.reader, none of them longer than memory allows; goes on after one that was.

    Whole blocks may be taken instead, and given back to be read line by line.
    """

    def __init__(self, text: io.TextIOWrapper) -> None:
        self.text = text
        self.number = 0
        self._given_back = io.StringIO(newline="")
        self._left = 0  # characters of it

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._readline()
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) < LONGEST_LINE or line.endswith(("\n", "\r")):
            return line
        while (rest := self._readline()) and not rest.endswith(("\n", "\r")):
            pass
        raise _LineTooLong

    def _readline(self) -> str:
        if not self._left:
            return self.text.readline(LONGEST_LINE)
        line = self._given_back.readline(LONGEST_LINE)
        self._left -= len(line)
        if not self._left and not line.endswith(("\n", "\r")):
            line += self.text.readline(LONGEST_LINE - len(line))
        return line

    @property
    def has_given_back(self) -> bool:
        """Whether lines of a block that was given back are left."""
        return self._left > 0

    def take_block(self) -> str:
        """The next text up to the end of a line; longer than a block only by that line."""
        rest = self._given_back.read() if self._left else ""
        self._left = 0
        block = rest + self.text.read(_BLOCK)
        if block and not block.endswith("\n"):
            block += self.text.readline(LONGEST_LINE)
        return block

    def give_back(self, block: str) -> None:
        """Let the text come again."""
        self._given_back = io.StringIO(block, newline="")
        self._left = len(block)


class CsvTable:
    """A CSV file, as a Table."""

    has_unique_keys = False

    def __init__(self, file: BinaryIO, *, size: int, encoding: str, errors: str) -> None:
        self.size = size
        self._file = file
        self._encoding = encoding
        self._errors = errors
        self._is_begun = False
        try:
            self._begin()
        except (_LineTooLong, csv.Error):
            raise FileRefused("The first line is too long for a header.") from None
        if any("\0" in name for name in self.header):
            raise FileRefused("This is neither a CSV nor an XLSX file: its first line holds no text.")

    def _begin(self) -> None:
        text = io.TextIOWrapper(self._file, encoding=self._encoding, errors=self._errors, newline="")
        self._lines = _Lines(text)
        self._is_begun = False
        self.header, self._delimiter = self._header()
        self._reader = csv.reader(self._lines, delimiter=self._delimiter)

    def _header(self) -> tuple[list[str], str]:
        """The first line that is not blank, under the delimiter that cuts it into the most names."""
        for line in self._lines:
            if separator := re.fullmatch(r"sep=(.)\s*", line):  # Excel's own word for its delimiter
                return next(csv.reader(self._lines, delimiter=separator[1]), []), separator[1]
            if line.strip():
                delimiter = max(DELIMITERS, key=lambda mark: len(next(csv.reader([line], delimiter=mark))))
                return next(csv.reader([line], delimiter=delimiter)), delimiter
        raise FileRefused("The file is empty.")

    def _from_the_first(self) -> None:
        if self._is_begun:
            self._lines.text.detach()
            self._file.seek(0)
            self._begin()
        self._is_begun = True

    def rows(self) -> Iterator[Row]:
        self._from_the_first()
        while (row := self._next_row()) is not None:
            if isinstance(row, Refusal) or any(row[1]):
                yield row

    def _next_row(self) -> Row | None:
        line = self._lines.number + 1
        try:
            return line, next(self._reader)
        except StopIteration:
            return None
        except (_LineTooLong, csv.Error):
            reason = "A cell is longer than 131,072 characters: a closing quote may be missing."
            return Refusal(line, "", "", reason)

    def blocks(self, columns: Sequence[int]) -> Iterator[Block]:
        self._from_the_first()
        are_all = list(columns) == list(range(len(self.header)))
        while text := self._lines.take_block():
            block = self._line_block(text) if are_all and '"' not in text else None
            yield block or self._row_block(text, columns)

    def _line_block(self, text: str) -> LineBlock | None:
        """The block if each of its lines is a row; None otherwise."""
        end = "\r\n" if "\r" in text else "\n"
        ended = text.removesuffix(end)
        lines = ended.split(end)
        if end == "\r\n" and not ended.count("\r") == ended.count("\n") == len(lines) - 1:
            return None
        if "\0" in text or max(map(len, lines)) >= min(LONGEST_LINE, csv.field_size_limit()):
            return None
        first = self._lines.number + 1
        self._lines.number += len(lines)
        return LineBlock(text, end, lines=lines, first=first, delimiter=self._delimiter)

    def _row_block(self, text: str, columns: Sequence[int]) -> RowBlock:
        """The block's rows; one that goes on behind it comes with the next block, if it can wait."""
        lines = list(io.StringIO(text, newline=""))
        found: tuple[list[Row], int] | None = None
        if max(map(len, lines)) < LONGEST_LINE:
            found = read_block(lines, first=self._lines.number + 1, delimiter=self._delimiter)
        if found is None:
            self._lines.give_back(text)
            rows = list(self._rows_given_back())
        else:
            rows, read = found
            self._lines.number += read
            self._lines.give_back("".join(lines[read:]))
        return RowBlock(rows, columns=columns, width=len(self.header))

    def _rows_given_back(self) -> Iterator[Row]:
        while self._lines.has_given_back and (row := self._next_row()) is not None:
            if isinstance(row, Refusal) or any(row[1]):
                yield row

    def position(self) -> int:
        return self._file.tell()

"""Writes lines as CSV or XLSX, a line at a time and no cell a formula; no database."""

import csv
import io
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from import_export.formats import base_formats
from openpyxl import Workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

from contacts.import_files import escape_formula

MOST_XLSX_LINES = 50_000  # beside the header; more take minutes before the first byte goes out
_LINES_AT_ONCE = 500
_BYTES_AT_ONCE = 65_536


class TooManyLines(ValueError):
    """More than this kind of file is written for; says what to do."""


class StreamedCsv(base_formats.CSV):
    """CSV in UTF-8, with the mark by which spreadsheets know it."""

    CONTENT_TYPE = "text/csv; charset=utf-8"

    def get_title(self) -> str:
        return "CSV"

    def parts(self, lines: Iterable[Sequence[Any]]) -> Iterator[bytes]:
        """The file in parts; never more than some hundred lines are held."""
        yield "\ufeff".encode()
        buffer = io.StringIO(newline="")
        writer = csv.writer(buffer)
        for number, line in enumerate(lines, start=1):
            writer.writerow(map(_harmless, line))
            if number % _LINES_AT_ONCE == 0:
                yield _taken(buffer)
        yield _taken(buffer)


class StreamedXlsx(base_formats.XLSX):
    """A workbook of one sheet, written by way of a file on disk."""

    def get_title(self) -> str:
        return "XLSX"

    def parts(self, lines: Iterable[Sequence[Any]]) -> Iterator[bytes]:
        """The file in parts, after all of it was written to disk."""
        book = Workbook(write_only=True)
        sheet = book.create_sheet("Export")
        for line in lines:
            sheet.append([_printable(_harmless(cell)) for cell in line])
        with tempfile.TemporaryFile() as file:
            book.save(file)
            file.seek(0)
            while part := file.read(_BYTES_AT_ONCE):
                yield part


FORMATS = [StreamedCsv, StreamedXlsx]


def _harmless(cell: Any) -> Any:
    return escape_formula(cell) if isinstance(cell, str) else cell


def _printable(cell: Any) -> Any:
    return ILLEGAL_CHARACTERS_RE.sub("", cell) if isinstance(cell, str) else cell


def _taken(buffer: io.StringIO) -> bytes:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode()

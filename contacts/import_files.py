"""Reads CSV and XLSX files row by row, whatever their encoding and delimiter; no database."""

import codecs
import io
import re
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from itertools import islice
from typing import BinaryIO

from openpyxl import load_workbook

from contacts.csv_table import CsvTable
from contacts.row_blocks import Block, FileRefused, Row, RowBlock, Table

MOST_COLUMNS = 500
MOST_SHARED_TEXT = 64 * 1024 * 1024  # openpyxl holds an XLSX's shared texts in memory
_SAMPLE = 65_536
_ROWS_OF_A_BLOCK = 5_000
_NOT_TABLES = {
    b"%PDF": "a PDF", b"\xd0\xcf\x11\xe0": "an old Excel file (.xls); save it as XLSX or CSV",
    b"\x1f\x8b": "compressed; unpack it first", b"\x89PNG": "a picture", b"\xff\xd8\xff": "a picture",
    b"SQLite format 3": "a database", b"{": "JSON", b"<": "XML or HTML",
}  # fmt: skip


_FORMULA_MARKS = tuple("@+-=|%\t\r")
_NUMBER = re.compile(r"-?[0-9,.]+")


def open_table(file: BinaryIO, *, max_bytes: int) -> Table:
    """Recognise the file by its content and read its header. Raises FileRefused.

    `file` is seekable, and stays the caller's to close. Never more than a row is held in memory, and of an
    XLSX its shared texts.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    if size > max_bytes:
        raise FileRefused(f"The file has {_megabytes(size)}; at most {_megabytes(max_bytes)} are taken.")
    sample = file.read(_SAMPLE)
    file.seek(0)
    if not sample.strip():
        raise FileRefused("The file is empty.")
    for beginning, what in _NOT_TABLES.items():
        if sample.startswith(beginning):
            raise FileRefused(f"This is neither a CSV nor an XLSX file: it is {what}.")
    if sample.startswith(b"PK"):
        return _Xlsx(file, size=size, max_bytes=max_bytes)
    encoding = _encoding(file, sample)
    errors = "kore-western" if encoding == "cp1252" else "replace"
    return CsvTable(file, size=size, encoding=encoding, errors=errors)


def _megabytes(size: int) -> str:
    return f"{size / 1024 / 1024:,.1f} MB"


def _encoding(file: BinaryIO, sample: bytes) -> str:
    """The encoding by its mark, by where its NULs stand, or by whether all of the file is valid UTF-8."""
    if sample.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    nuls, half = sample.count(0), max(len(sample) // 2, 1)
    if nuls > half * 0.6:
        even, odd = sample[::2].count(0), sample[1::2].count(0)
        if min(even, odd) < nuls * 0.1:
            return "utf-16-be" if even > odd else "utf-16-le"
    controls = sum(sample.count(code) for code in range(32) if code not in b"\t\n\r\x0b\x0c")
    if controls > len(sample) * 0.02 + 8:
        raise FileRefused("This is neither a CSV nor an XLSX file: it holds no text.")
    return _utf8_or_western(file)


def _utf8_or_western(file: BinaryIO) -> str:
    """UTF-8 unless bytes that cannot be it prevail; then what Windows writes in Western Europe."""
    if _is_utf8(file):
        return "utf-8"
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    lost = letters = 0
    while block := file.read(1 << 20):
        text = decode(block)
        if not text.isascii():
            lost += text.count("\ufffd")
            letters += len(re.findall("[^\x00-\x7f\ufffd]", text))
    file.seek(0)
    return "utf-8" if letters >= lost else "cp1252"


def _is_utf8(file: BinaryIO) -> bool:
    """Whether all of the file is, which most are and which is found out fast."""
    decode = codecs.getincrementaldecoder("utf-8")().decode
    try:
        while block := file.read(1 << 20):
            decode(block)
        decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    finally:
        file.seek(0)
    return True


def _western(error: UnicodeError) -> tuple[str, int]:
    """Bytes that cp1252 leaves open become control characters, for which their rows are refused."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("latin-1"), error.end


codecs.register_error("kore-western", _western)


class _Xlsx:
    has_unique_keys = False

    def __init__(self, file: BinaryIO, *, size: int, max_bytes: int) -> None:
        self.size = size
        self._done = 0.0
        _check_package(file, max_bytes=max_bytes)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of styles and checks, which are no values
                book = load_workbook(file, read_only=True, data_only=True, keep_links=False)
            self._sheet = book.worksheets[0]
            self._total = self._sheet.max_row or 0
            self._sheet.reset_dimensions()
            self._first, self.header = self._begin()
        except FileRefused:
            raise
        except Exception as error:  # whatever openpyxl trips over, the file is to blame
            raise FileRefused("The XLSX file is damaged; save it again, or as CSV.") from error
        if not self.header:
            raise FileRefused("The first sheet is empty.")

    def _begin(self) -> tuple[int, list[str]]:
        """The number after the first line that holds something, and its names."""
        for line, names in self._texts(1, MOST_COLUMNS):
            while names and not names[-1]:
                names.pop()
            if names:
                return line + 1, names
        return 1, []

    def _texts(self, first: int, width: int) -> Iterator[tuple[int, list[str]]]:
        cells = self._sheet.iter_rows(min_row=first, max_col=width, values_only=True)
        for line, values in enumerate(cells, start=first):
            yield line, [_cell_text(value) for value in values]

    def blocks(self, columns: Sequence[int]) -> Iterator[Block]:
        rows = self.rows()
        while some := list(islice(rows, _ROWS_OF_A_BLOCK)):
            yield RowBlock(some, columns=columns, width=len(self.header))

    def rows(self) -> Iterator[Row]:
        width = len(self.header)
        try:
            for line, cells in self._texts(self._first, width + 1):
                self._done = line / self._total if self._total else 0
                if any(cells):
                    padded = cells + [""] * (width - len(cells))
                    yield line, padded if any(padded[width:]) else padded[:width]
        except Exception as error:
            raise FileRefused("The XLSX file is damaged further down; save it again, or as CSV.") from error

    def position(self) -> int:
        return min(int(self.size * self._done), self.size)


def _check_package(file: BinaryIO, *, max_bytes: int) -> None:
    """Refuse a package that is no workbook or would unpack to more than memory and patience allow."""
    try:
        with zipfile.ZipFile(file) as package:
            sizes = {entry.filename: entry.file_size for entry in package.infolist()}
    except zipfile.BadZipFile:
        raise FileRefused("The XLSX file is damaged; save it again, or as CSV.") from None
    finally:
        file.seek(0)
    if "xl/workbook.xml" not in sizes:
        raise FileRefused("This is a ZIP archive without a workbook; unpack it first.")
    if sum(sizes.values()) > 4 * max_bytes or sizes.get("xl/sharedStrings.xml", 0) > MOST_SHARED_TEXT:
        raise FileRefused("The XLSX file unpacks to more than is taken; save it as CSV, which is streamed.")


def _cell_text(value: object) -> str:
    """A cell as CSV would hold it; of a formula openpyxl gives the value last computed."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, datetime):
        value = value.replace(microsecond=0)
        return value.date().isoformat() if value.time() == time.min else value.isoformat(" ")
    return value.isoformat() if isinstance(value, date) else str(value)


@dataclass(frozen=True)
class Layout:
    """Where each of our columns stands in a file, and what was left out of it."""

    positions: dict[str, int]
    ignored: list[str]
    is_returned: bool  # a file of ours: its added columns are known, its formulas escaped
    system_position: int | None = None  # of the system's code in an export, which holds rows of several


class BadMap(Exception):
    """A column map names a column that does not exist; says which ones do."""


RETURNED_COLUMNS = ("line", "column", "value", "reason")  # which files of rejected rows add
EXPORTED_COLUMNS = ("group_id", "system")  # which exports add


def lay_out(
    header: Sequence[str], *, ours: Sequence[str], required: Sequence[str], column_map: dict[str, str]
) -> Layout:
    """Find our columns in a file's header, ignoring case, blanks, hyphens and underscores.

    `column_map` (theirs -> ours) goes before names that are alike. Raises BadMap, or FileRefused when a
    required column is missing or one of ours stands twice.
    """
    known = {_bare(name): name for name in ours}
    given = {_bare(theirs): column for theirs, column in column_map.items()}
    _check_map(header, ours, column_map)
    bares = [_bare(name) for name in header]
    added = [_bare(name) for names in (RETURNED_COLUMNS, EXPORTED_COLUMNS) for name in _all_in(names, bares)]
    positions: dict[str, int] = {}
    ignored: list[str] = []
    mapped = set(given.values())
    for position, (name, bare) in enumerate(zip(header, bares, strict=True)):
        column = given.get(bare) or known.get(bare)
        if column is None or (column in mapped and bare not in given):
            if name.strip() and name not in ignored and bare not in added:
                ignored.append(name)
        elif column in positions:
            raise FileRefused(f"The column {column} stands twice in the header; keep one, or map one away.")
        else:
            positions[column] = position
    if missing := [name for name in required if name not in positions]:
        found = ", ".join(name for name in header if name.strip()) or "nothing"
        raise FileRefused(f"The header lacks {', '.join(missing)}. It holds: {found[:500]}.")
    system_position = bares.index("system") if "system" in added else None
    return Layout(positions, ignored, is_returned=bool(added), system_position=system_position)


def _all_in(names: Sequence[str], bares: Sequence[str]) -> Sequence[str]:
    """The names if the header holds them all, else none."""
    return names if {_bare(name) for name in names} <= set(bares) else ()


def _check_map(header: Sequence[str], ours: Sequence[str], column_map: dict[str, str]) -> None:
    for theirs, column in column_map.items():
        if column not in ours:
            raise BadMap(f"“{column}” is none of our columns: {', '.join(ours)}.")
        if _bare(theirs) not in map(_bare, header):
            raise BadMap(f"The file has no column “{theirs}”. It has: {', '.join(header)[:500]}.")


def _bare(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name).lower()


def escape_formula(text: str) -> str:
    """A text that no spreadsheet takes for a formula, as defusedcsv writes it; numbers stay."""
    if text[:1] in _FORMULA_MARKS and not _NUMBER.fullmatch(text):
        return "'" + text.replace("|", "\\|")
    return text


def unescape_formula(cell: str) -> str:
    """A cell as it was before `escape_formula` or defusedcsv made it harmless for spreadsheets."""
    if len(cell) > 1 and cell[0] == "'" and cell[1] in _FORMULA_MARKS:
        return cell[1:].replace("\\|", "|")
    return cell

"""Brings files in: reads, cleans and admits them chunk by chunk, each row once, good or refused."""

import csv
import io
import re
import zoneinfo
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, BinaryIO, TextIO

from defusedcsv import csv as defused_csv
from django.conf import settings
from django.contrib.auth.models import User

from contacts.cleaning import Reading, Refusal, RowCleaner
from contacts.import_files import RETURNED_COLUMNS, Layout, Table, lay_out, open_table, unescape_formula
from contacts.importers import Importer
from contacts.models import Job, Organisation, TicketSystem
from contacts.models.history import Origin
from contacts.permissions import SystemRight, holds
from contacts.services.arrivals import ROWS_AT_ONCE, Admitted

_LONGEST_KEPT_CELL = 2000
_CONTROLS = {code: chr(0x2400 + code) for code in range(32) if chr(code) not in "\t\n\r"}


class CannotImport(Exception):
    """Says, in words for the person at the screen, why nothing may be brought in."""


class BadDateFormat(Exception):
    """The date format is none that dates could be read by."""


@dataclass(frozen=True)
class ImportOptions:
    """How a file is to be read: their column names -> ours, and a format as for strptime."""

    column_map: dict[str, str] = field(default_factory=dict)
    date_format: str = ""


@dataclass
class Chunk:
    """Some rows of a file: those cleaned, those refused so far, and the cells of all by line."""

    rows: list[Any] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    cells: dict[int, list[str]] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Rows read for this chunk."""
        return len(self.rows) + len(self.refusals)


@dataclass
class ImportFile:
    """An open file and how it is read."""

    table: Table
    layout: Layout
    cleaner: RowCleaner
    importer: Importer
    system: TicketSystem

    def chunks(self, *, skip: int = 0) -> Iterator[Chunk]:
        """The rows after the first `skip`, at most ROWS_AT_ONCE together. Raises FileRefused midway."""
        chunk = Chunk()
        for number, read in enumerate(self.table.rows(), start=1):
            if number <= skip:
                continue
            self._take(chunk, read)
            if chunk.size == ROWS_AT_ONCE:
                yield chunk
                chunk = Chunk()
        if chunk.size:
            yield chunk

    def _take(self, chunk: Chunk, read: tuple[int, list[str]] | Refusal) -> None:
        if isinstance(read, Refusal):
            chunk.refusals.append(read)
            return
        line, cells = read
        if self.layout.is_returned:
            cells = [unescape_formula(cell) for cell in cells]
        chunk.cells[line] = cells
        row = self._misplaced(line, cells) if self.layout.system_position is not None else None
        row = row or self.cleaner.clean(line, cells)
        (chunk.refusals if isinstance(row, Refusal) else chunk.rows).append(row)

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


def open_import(
    file: BinaryIO, *, importer: Importer, system: TicketSystem, options: ImportOptions, now: datetime
) -> ImportFile:
    """Recognise the file and its columns. Raises FileRefused, BadMap or BadDateFormat."""
    zone = zoneinfo.ZoneInfo(Organisation.load().time_zone)
    check_date_format(options.date_format, now=now)
    table = open_table(file, max_bytes=settings.MAX_UPLOAD_BYTES)
    layout = lay_out(
        table.header,
        ours=importer.column_names,
        required=importer.required,
        column_map=options.column_map,
    )
    cleaner: RowCleaner = RowCleaner(
        columns=importer.columns,
        positions=layout.positions,
        make=importer.make,
        reading=Reading(zone=zone, today=now.astimezone(zone).date(), date_format=options.date_format),
        width=len(table.header),
    )
    return ImportFile(table, layout, cleaner, importer, system)


def check_date_format(date_format: str, *, now: datetime) -> None:
    """Raise BadDateFormat unless day, month and year of a date can be read by it."""
    if not date_format:
        return
    try:
        written = now.strftime(date_format)
        if datetime.strptime(written, date_format).date() != now.date():  # noqa: DTZ007
            raise ValueError
    except (ValueError, re.error):
        raise BadDateFormat(f"“{date_format}” is no date format; write it like %d/%m/%Y.") from None


def check_may_import(user: User | None, system: TicketSystem) -> None:
    """Raise CannotImport unless the user may change the system's records; None is the system itself."""
    if user is not None and not holds(user, SystemRight.CHANGE, system):
        raise CannotImport(f"{user.get_username()} may not change records of {system.code}.")


def admit_chunk(
    chunk: Chunk,
    *,
    importer: Importer,
    system: TicketSystem,
    now: datetime,
    actor: User | None = None,
    job: Job | None = None,
) -> Admitted:
    """Write one chunk of a file; its rows refused before count among the rejected."""
    written: Admitted = importer.admit(
        chunk.rows, system=system, way_in=Origin.IMPORT, now=now, actor=actor, job=job
    )
    return _with_refused(chunk, written)


def assess_chunk(chunk: Chunk, *, importer: Importer, system: TicketSystem) -> Admitted:
    """What `admit_chunk` would come to, writing nothing."""
    would: Admitted = importer.assess(chunk.rows, system=system, way_in=Origin.IMPORT)
    return _with_refused(chunk, would)


def _with_refused(chunk: Chunk, admitted: Admitted) -> Admitted:
    refused = [*chunk.refusals, *admitted.refusals]
    admitted.refusals = []
    admitted.held = admitted.rejected = 0
    for refusal in sorted(refused, key=lambda refusal: refusal.line):
        admitted.refuse(refusal)
    return admitted


class RejectedWriter:
    """Writes rejected rows to mend and bring in again: the file's own columns, then where and why.

    Cells that a spreadsheet would take for formulas are escaped; reading the file back undoes that.
    """

    def __init__(self, stream: TextIO, header: Sequence[str]) -> None:
        self._header = list(header)
        self._writer = defused_csv.writer(stream, quoting=csv.QUOTE_MINIMAL)
        self._writer.writerow([*self._header, *RETURNED_COLUMNS])

    def write(self, refusal: Refusal, row: dict[str, str]) -> None:
        """Add one row."""
        cells = [row.get(name, "") for name in self._header]
        self._writer.writerow(
            [*cells, refusal.line, refusal.column, printable(refusal.value)[:200], reason_of(refusal)]
        )


def rejected_lines(job: Job) -> Iterator[str]:
    """A job's rejected rows as CSV, under the file's own header; read from the database in parts."""
    buffer = io.StringIO(newline="")
    writer = RejectedWriter(buffer, job.options.get("header", []))
    for row in job.rejected_rows.order_by("line", "pk").iterator(chunk_size=500):
        writer.write(Refusal(row.line, row.column, row.value, row.reason), row.row)
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()


def reason_of(refusal: Refusal) -> str:
    """Why the row did not go in, and whether it waits."""
    return f"Held: {refusal.reason}" if refusal.is_held else refusal.reason

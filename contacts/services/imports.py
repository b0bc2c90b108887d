"""Brings files in: reads, cleans and admits them chunk by chunk, each row once, good or refused."""

import csv
import io
import re
import zoneinfo
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import BinaryIO, TextIO

from defusedcsv import csv as defused_csv
from django.conf import settings
from django.contrib.auth.models import User

from contacts.cleaning import Reading, Refusal, RowCleaner
from contacts.import_files import RETURNED_COLUMNS, Layout, lay_out, open_table
from contacts.importers import Importer
from contacts.models import Job, Organisation, TicketSystem
from contacts.models.history import Origin
from contacts.permissions import SystemRight, holds
from contacts.row_blocks import Table
from contacts.services.arrivals import Admitted
from contacts.services.import_chunks import Chunk, ImportFile, printable
from contacts.services.row_prints import printer


class CannotImport(Exception):
    """Says, in words for the person at the screen, why nothing may be brought in."""


class BadDateFormat(Exception):
    """The date format is none that dates could be read by."""


@dataclass(frozen=True)
class ImportOptions:
    """How a file is to be read: their column names -> ours, a format as for strptime, and the zone of moments
    that name none (blank: the organisation's)."""

    column_map: dict[str, str] = field(default_factory=dict)
    date_format: str = ""
    time_zone: str = ""


def open_import(
    file: BinaryIO, *, importer: Importer, system: TicketSystem, options: ImportOptions, now: datetime
) -> ImportFile:
    """Recognise the file and its columns. Raises FileRefused, BadMap or BadDateFormat."""
    check_date_format(options.date_format, now=now)
    table = open_table(file, max_bytes=settings.MAX_UPLOAD_BYTES)
    return read_table(table, importer=importer, system=system, options=options, now=now)


def read_table(
    table: Table,
    *,
    importer: Importer,
    system: TicketSystem,
    options: ImportOptions,
    now: datetime,
    way_in: Origin = Origin.IMPORT,
) -> ImportFile:
    """Recognise the columns of any table of rows, a file's or a pull's. Raises FileRefused or BadMap."""
    zone = zoneinfo.ZoneInfo(options.time_zone or Organisation.load().time_zone)
    layout = lay_out(
        table.header,
        ours=importer.column_names,
        required=importer.required,
        column_map=options.column_map,
    )
    reading = Reading(zone=zone, today=now.astimezone(zone).date(), date_format=options.date_format)
    cleaner: RowCleaner = RowCleaner(
        columns=importer.columns,
        positions=layout.positions,
        make=importer.make,
        reading=reading,
        width=len(table.header),
    )
    columns = sorted({*layout.positions.values(), *_position_of_system(layout)})
    prints = printer(
        importer=importer, system=system, layout=layout, columns=columns, reading=reading, way_in=way_in
    )
    return ImportFile(table, layout, cleaner, importer, system, columns, prints)


def _position_of_system(layout: Layout) -> list[int]:
    return [] if layout.system_position is None else [layout.system_position]


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
    way_in: Origin = Origin.IMPORT,
) -> Admitted:
    """Write one chunk of a file or a pull; its rows refused before count among the rejected."""
    written = Admitted()
    if chunk.rows:
        written = importer.admit(
            chunk.rows,
            system=system,
            way_in=way_in,
            now=now,
            actor=actor,
            job=job,
            prints=chunk.prints,
            blanking=chunk.columns,
        )
    return _with_the_others(chunk, written)


def assess_chunk(chunk: Chunk, *, importer: Importer, system: TicketSystem) -> Admitted:
    """What `admit_chunk` would come to, writing nothing."""
    would: Admitted = importer.assess(chunk.rows, system=system, way_in=Origin.IMPORT, blanking=chunk.columns)
    return _with_the_others(chunk, would)


def _with_the_others(chunk: Chunk, admitted: Admitted) -> Admitted:
    """Count the rows refused before and those known already too."""
    admitted.unchanged += chunk.known
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

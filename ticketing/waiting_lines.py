"""Rejected rows that wait to be mended, as a CSV under the source's own columns."""

import io
from collections.abc import Iterator

from django.db.models import QuerySet

from contacts.cleaning import Refusal
from contacts.services.imports import RejectedWriter
from ticketing.models import WaitingRow


def waiting_lines(rows: QuerySet[WaitingRow]) -> Iterator[str]:
    """The rows of one data set, header first, each with what is wrong; read from the database in parts.

    The header holds every column that any of them has. Cells that a spreadsheet would take for formulas are
    escaped.
    """
    buffer = io.StringIO(newline="")
    writer = RejectedWriter(buffer, _columns(rows))
    yield _taken(buffer)
    for row in rows.order_by("pk").iterator(chunk_size=500):
        refusal = Refusal(row.pk, row.column, row.value, row.reason, row.is_held)
        writer.write(refusal, row.row)
        yield _taken(buffer)


def _columns(rows: QuerySet[WaitingRow]) -> list[str]:
    columns: dict[str, None] = {}
    for row in rows.order_by("pk").values_list("row", flat=True).iterator(chunk_size=500):
        columns.update(dict.fromkeys(row))
    return list(columns)


def _taken(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text

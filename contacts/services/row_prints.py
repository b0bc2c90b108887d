"""Prints of rows as last taken: a row that comes again as it was is known without being read (ADR 0008)."""

import functools
import hashlib
import importlib.metadata
import json
import logging
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from django.db import connection
from django.utils.crypto import salted_hmac

from contacts import guards
from contacts.bulk import insert_rows
from contacts.cleaning import Reading
from contacts.import_files import Layout
from contacts.importers import Importer
from contacts.models import RowPrint, TicketSystem
from contacts.models.history import Origin

log = logging.getLogger(__name__)

# Whoever reads rows of any kind: with another word in one of these, a row may mean another thing.
_READERS = (
    "contacts.cleaning",
    "contacts.csv_table",
    "contacts.file_resources",
    "contacts.import_files",
    "contacts.models.person_details",
    "contacts.resources",
    "contacts.row_blocks",
    "contacts.services.import_chunks",
    "contacts.services.imports",
    "contacts.services.row_prints",
)


class Printer:
    """Makes the prints of one file's rows, and says which of them stand.

    A print is a keyed digest of a row's text and of all that the text's meaning hangs on: the system, the
    columns, the way dates are read, and the code itself. Of a `Reading` only today is left out: a row that
    was right on one day is right on each later one.
    """

    def __init__(
        self,
        *,
        importer: Importer,
        system: TicketSystem,
        layout: Layout,
        columns: Sequence[int],
        reading: Reading,
        way_in: Origin,
    ) -> None:
        names = {position: name for name, position in layout.positions.items()}
        meaning = [
            importer.kind,
            system.pk,
            system.code,
            system.blanks_overwrite,
            [names.get(position, "") for position in columns],
            layout.is_returned,
            str(reading.zone),
            reading.date_format,
            _code_of(importer),
        ]
        key = salted_hmac("kore.row_print", json.dumps(meaning), algorithm="sha256").digest()
        self._seed = hashlib.blake2b(key=key, digest_size=16)
        self._model = importer.prints
        self._system = system
        self._way_in = way_in

    def prints_of(self, texts: Sequence[bytes | None]) -> list[str | None]:
        """The print of each text; None where there is no text."""
        fresh = self._seed.copy
        prints: list[str | None] = []
        for text in texts:
            if text is None:
                prints.append(None)
                continue
            digest = fresh()
            digest.update(text)
            prints.append(digest.hexdigest())
        return prints

    def unknown(self, prints: Sequence[str | None]) -> list[int]:
        """The indexes of rows to be read: their print does not stand, or a guard wants to see them."""
        if guards.ask_about_known():
            return self._unknown_to_guards(prints)
        return _missing(self._model, prints)

    def _unknown_to_guards(self, prints: Sequence[str | None]) -> list[int]:
        refs = _refs_of(self._model, [print for print in prints if print])
        wanted = guards.concerned(set(refs.values()), system=self._system, way_in=self._way_in)
        return [index for index, print in enumerate(prints) if print not in refs or refs[print] in wanted]


def printer(
    *,
    importer: Importer,
    system: TicketSystem,
    layout: Layout,
    columns: Sequence[int],
    reading: Reading,
    way_in: Origin,
) -> Printer | None:
    """The printer for a file or a pull; None when the database does not watch over its prints."""
    if not _are_watched(importer.prints):
        log.warning("The triggers that drop prints of %s rows are missing: each row is read.", importer.kind)
        return None
    return Printer(
        importer=importer, system=system, layout=layout, columns=columns, reading=reading, way_in=way_in
    )


def keep_prints(model: type[RowPrint], prints: Mapping[int, str], *, standing: Collection[int]) -> None:
    """Let each of these records (by id) have this print; `standing` are those that may have one already.

    Call it in the transaction that wrote the records, after they were written.
    """
    if not prints:
        return
    if standing:
        model._base_manager.filter(pk__in=list(standing))._raw_delete(using=connection.alias)  # noqa: SLF001
    insert_rows(model, ("owner", "print"), sorted(prints.items()))


def _missing(model: type[RowPrint], prints: Sequence[str | None]) -> list[int]:
    """The indexes of the prints that do not stand; one probe of the index each, whatever the table's size."""
    table = model._meta.db_table
    if connection.vendor == "postgresql":
        # The LIMIT keeps the planner from walking through the whole table once a block.
        statement = f"""
            SELECT given.number - 1 FROM unnest(%s::uuid[]) WITH ORDINALITY AS given(print, number)
            WHERE (SELECT TRUE FROM {table} known WHERE known.print = given.print LIMIT 1) IS NULL
            ORDER BY 1
        """
        given = "{" + ",".join(print or "NULL" for print in prints) + "}"
    else:
        statement = f"""
            SELECT given.key FROM json_each(%s) given
            WHERE NOT EXISTS (SELECT 1 FROM {table} known WHERE known.print = given.value) ORDER BY 1
        """
        given = json.dumps(prints)
    with connection.cursor() as cursor:
        cursor.execute(statement, [given])
        return [row[0] for row in cursor.fetchall()]


def _refs_of(model: type[RowPrint], prints: Sequence[str]) -> dict[str, int]:
    """The System Ref that each print which stands is about."""
    table, found = model._base_manager.all(), {}
    for begin in range(0, len(prints), 10_000):
        some = prints[begin : begin + 10_000]
        for print, ref_id in table.filter(print__in=some).values_list("print", model.PATH_TO_REF):
            found[print.hex] = ref_id
    return found


def _are_watched(model: type[RowPrint]) -> bool:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT count(DISTINCT tgname) FROM pg_trigger "
                "WHERE tgname = ANY(%s) AND tgenabled IN ('O', 'A')",
                [list(model.TRIGGERS)],
            )
        else:
            marks = ", ".join(["%s"] * len(model.TRIGGERS))
            cursor.execute(
                f"SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND name IN ({marks})",
                list(model.TRIGGERS),
            )
        return bool(cursor.fetchone()[0] == len(model.TRIGGERS))


@functools.cache
def _code_of(importer: Importer) -> str:
    """A digest of the code and the data by which rows of this kind are read and taken."""
    digest = hashlib.sha256(sys.version.encode())
    digest.update(importlib.metadata.version("pycountry").encode())
    names = {*_READERS, importer.resource.__module__, importer.admit.__module__}
    for name in sorted(names):
        digest.update(_source(sys.modules[name]))
    return digest.hexdigest()


def _source(module: Any) -> bytes:
    return Path(module.__file__).read_bytes()

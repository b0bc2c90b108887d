"""Writes first placements: whole new Contacts of System Refs that none had, many thousands at a time."""

from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc
from django.conf import settings
from django.db import connection, transaction

from contacts.bulk import insert_table, reserve_ids
from contacts.columnar import among, read_table
from contacts.models import Contact, GroupingRun, Mapping, Move
from contacts.models.mapping import PrimaryBy
from contacts.models.person_details import DETAIL_FIELDS
from contacts.services.changes import record_changes
from contacts.services.golden import FACTS_AND_DETAILS, REF_COLUMNS
from contacts.services.gone_leads import hand_on_leads
from contacts.survivorship_tables import PIN_SCHEMA, golden_table

# A transaction holds its refs against editing: a few seconds at night, but on SQLite it holds everyone.
REFS_AT_ONCE = 50_000
REFS_AT_ONCE_EMBEDDED = 4_000
_MOMENT = pa.timestamp("us", "UTC")
_READ_SCHEMA = pa.schema([("ref_id", pa.int64()), ("is_placed", pa.bool_()), *FACTS_AND_DETAILS])


def refs_at_once() -> int:
    """How many refs to place in one transaction, as this database bears it."""
    return REFS_AT_ONCE if connection.vendor == "postgresql" else REFS_AT_ONCE_EMBEDDED


@transaction.atomic
def write_first_placements(placements: pa.Table, *, run: GroupingRun | None, now: datetime) -> set[int]:
    """Make the Contacts that were planned from a mapping read earlier; returns the refs that had to wait.

    `placements`: group_plan.FIRST_SCHEMA. One transaction. A Contact of which a ref has gone or was placed
    since is left for the next run. The refs are held until the end, in the order of their ids: who edits or
    erases one meanwhile waits, and then finds its Contact.
    """
    refs = _held(placements["ref_id"])
    placeable, waiting = _still_unplaced(placements, refs)
    if not placeable.num_rows:
        return waiting
    contacts = placeable["number"].combine_chunks().dictionary_encode()
    contact_ids = pa.array(reserve_ids(Contact, len(contacts.dictionary)), pa.int64())
    ref_id, is_primary = placeable["ref_id"], placeable["is_primary"]
    contact_id = contact_ids.take(contacts.indices)
    _insert_mappings(ref_id, contact_id, is_primary, now=now)
    members = pa.table({"contact_id": contact_id, "ref_id": ref_id, "is_primary": is_primary})
    _insert_contacts(golden_table(members, refs, _NO_PINS, threads=settings.GROUPING_THREADS), now=now)
    _record_moves(ref_id, contact_id, is_primary, run=run, now=now)
    hand_on_leads(contact_ids.to_pylist(), now=now)
    record_changes(contact_ids.to_pylist(), now=now)
    return waiting


_NO_PINS = PIN_SCHEMA.empty_table()  # a pin belongs to a Contact, and these are new


def _held(ref_ids: pa.ChunkedArray) -> pa.Table:
    """What golden values are made of, of those refs that exist, and whether they are placed by now."""
    columns = ", ".join(REF_COLUMNS.get(name, f"ref.{name}") for name in FACTS_AND_DETAILS.names)
    chosen, params = among("ref.id", ref_ids.to_pylist())
    lock = " FOR SHARE OF ref" if connection.vendor == "postgresql" else ""
    return read_table(
        f"SELECT ref.id, mapping.system_ref_id IS NOT NULL, {columns} FROM contacts_systemref ref"
        " JOIN contacts_ticketsystem system ON system.id = ref.system_id"
        " LEFT JOIN contacts_mapping mapping ON mapping.system_ref_id = ref.id"
        f" WHERE {chosen} ORDER BY ref.id{lock}",
        _READ_SCHEMA,
        params,
    )


def _still_unplaced(placements: pa.Table, refs: pa.Table) -> tuple[pa.Table, set[int]]:
    unplaced = refs.filter(pc.invert(refs["is_placed"]))["ref_id"]
    if len(unplaced) == placements.num_rows:
        return placements, set()
    astray = placements.filter(pc.invert(pc.is_in(placements["ref_id"], unplaced)))["number"]
    waits = pc.is_in(placements["number"], astray)
    return placements.filter(pc.invert(waits)), set(placements.filter(waits)["ref_id"].to_pylist())


def _insert_mappings(
    ref_id: pa.ChunkedArray, contact_id: pa.Array, is_primary: pa.ChunkedArray, *, now: datetime
) -> None:
    insert_table(
        Mapping,
        pa.table(
            {
                "system_ref": ref_id,
                "contact": contact_id,
                "is_primary": is_primary,
                "primary_by": pa.repeat(PrimaryBy.FIRST_FOUND.value, len(ref_id)),
                "since": pa.repeat(pa.scalar(now, _MOMENT), len(ref_id)),
            }
        ),
    )


def _insert_contacts(golden: pa.Table, *, now: datetime) -> None:
    """The mappings stand already: foreign keys are deferred."""
    since = pa.repeat(pa.scalar(now, _MOMENT), golden.num_rows)
    columns = {name: golden[name] for name in DETAIL_FIELDS}
    insert_table(Contact, pa.table({"id": golden["contact_id"], "since": since, **columns}))


def _record_moves(
    ref_id: pa.ChunkedArray,
    contact_id: pa.Array,
    is_primary: pa.ChunkedArray,
    *,
    run: GroupingRun | None,
    now: datetime,
) -> None:
    count = len(ref_id)
    insert_table(
        Move,
        pa.table(
            {
                "system_ref": ref_id,
                "to_group": contact_id,
                "was_primary": pa.repeat(pa.scalar(value=False), count),
                "is_primary": is_primary,
                "pins": pa.repeat("[]", count),
                "cause": pa.repeat(Move.Cause.PLACED.value, count),
                "run": pa.repeat(pa.scalar(run.pk if run else None, pa.int64()), count),
                "at": pa.repeat(pa.scalar(now, _MOMENT), count),
            }
        ),
    )

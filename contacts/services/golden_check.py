"""Finds and repairs stored golden values that are not what the System Refs say."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

import duckdb
import pyarrow as pa
from django.conf import settings
from django.db import connection, transaction

from contacts.columnar import read_table
from contacts.models import Contact
from contacts.models.person_details import DETAIL_FIELDS
from contacts.services.golden import (
    DETAIL_SCHEMA,
    FACTS_AND_DETAILS,
    REF_COLUMNS,
    golden_rows,
    refresh_golden,
)
from contacts.survivorship_tables import MEMBER_SCHEMA, PIN_SCHEMA, golden_table

CONTACTS_AT_ONCE = 50_000  # to look at: with their refs a hundred megabytes
REPAIRED_AT_ONCE = 2_000


def _differs(name: str) -> str:
    if Contact._meta.get_field(name).null:
        return f"coalesce(c.{name} <> r.{name}, (c.{name} IS NULL) <> (r.{name} IS NULL))"
    return f"c.{name} <> r.{name}"


# Where a Contact has one ref, which is nearly always, the database compares by itself.
_STALE_SINGLES = f"""
SELECT c.id FROM contacts_contact c
JOIN (SELECT contact_id, min(system_ref_id) AS ref_id FROM contacts_mapping
    GROUP BY contact_id HAVING count(*) = 1) only_one ON only_one.contact_id = c.id
JOIN contacts_systemref r ON r.id = only_one.ref_id
WHERE {" OR ".join(_differs(name) for name in DETAIL_FIELDS)} ORDER BY c.id
"""
_SHARED = (
    "SELECT contact_id FROM contacts_mapping GROUP BY contact_id HAVING count(*) > 1 ORDER BY contact_id"
)
# A ref that does not lead stands beside one that does.
_SHARED_BETWEEN = (
    "SELECT contact_id FROM contacts_mapping WHERE contact_id BETWEEN %s AND %s AND NOT is_primary"
)
_MEMBERS = f"""
SELECT mapping.contact_id, mapping.system_ref_id, mapping.is_primary,
    {", ".join(REF_COLUMNS.get(name, f"ref.{name}") for name in FACTS_AND_DETAILS.names)}
FROM contacts_mapping mapping
JOIN contacts_systemref ref ON ref.id = mapping.system_ref_id
JOIN contacts_ticketsystem system ON system.id = ref.system_id
WHERE mapping.contact_id BETWEEN %s AND %s AND mapping.contact_id IN ({_SHARED_BETWEEN})
"""
# Of several pins on a field the newest.
_PINS = """
SELECT contact_id, field, system_ref_id FROM (
    SELECT contact_id, field, system_ref_id,
        row_number() OVER (PARTITION BY contact_id, field ORDER BY at DESC, id DESC) AS place
    FROM contacts_goldenpin WHERE contact_id BETWEEN %s AND %s
) pins WHERE place = 1
"""
_STORED = f"SELECT id, {', '.join(DETAIL_FIELDS)} FROM contacts_contact WHERE id IN ({_SHARED_BETWEEN})"
_STALE = f"""
select contact_id from golden join stored using (contact_id)
where {" or ".join(f"golden.{name} is distinct from stored.{name}" for name in DETAIL_FIELDS)}
order by contact_id
"""
_LEADERLESS = "select contact_id from members group by contact_id having not bool_or(is_primary) order by 1"


def stale_golden(progress: Callable[[int, int], None] | None = None) -> Iterator[int]:
    """The Contacts whose stored golden values differ from what their refs give; asks of every Contact.

    `progress` hears how many of those with several refs were looked at.
    """
    yield from _ids(_STALE_SINGLES)
    shared = _ids(_SHARED)
    for start in range(0, len(shared), CONTACTS_AT_ONCE):
        ids = shared[start : start + CONTACTS_AT_ONCE]
        # A single ref that lacks the lead looks shared between these, and has been asked about above.
        several = set(ids)
        yield from (pk for pk in _stale_between(ids[0], ids[-1]) if pk in several)
        if progress:
            progress(start + len(ids), len(shared))


def refresh_every_golden(now: datetime, progress: Callable[[int, int], None]) -> dict[str, int]:
    """Repair every stored golden value that differs; returns of how many Contacts, and how many differed."""
    repaired = 0
    stale = list(stale_golden(progress))
    for start in range(0, len(stale), REPAIRED_AT_ONCE):
        with transaction.atomic():
            repaired += refresh_golden(stale[start : start + REPAIRED_AT_ONCE], now=now)
    return {"contacts": Contact.objects.count(), "repaired": repaired}


def _stale_between(first: int, last: int) -> list[int]:
    """Of the Contacts with several refs between two GroupIDs."""
    refs = read_table(_MEMBERS, pa.schema([*MEMBER_SCHEMA, *FACTS_AND_DETAILS]), [first, last] * 2)
    pins = read_table(_PINS, PIN_SCHEMA, [first, last])
    stored = read_table(
        _STORED, pa.schema([MEMBER_SCHEMA.field("contact_id"), *DETAIL_SCHEMA]), [first, last]
    )
    members = refs.select(MEMBER_SCHEMA.names)
    golden = golden_table(
        members, refs.drop_columns(["contact_id", "is_primary"]), pins, threads=settings.GROUPING_THREADS
    )
    with duckdb.connect(":memory:") as con:
        for name, table in (("golden", golden), ("stored", stored), ("members", members)):
            con.register(name, table)
        stale = con.execute(_STALE).fetchall()
        leaderless = con.execute(_LEADERLESS).fetchall()
    return [row[0] for row in stale] + _stale_among([row[0] for row in leaderless])


def _stale_among(contact_ids: Sequence[int]) -> list[int]:
    """One by one: Contacts that lack a primary, as none should."""
    stored = Contact.objects.filter(pk__in=contact_ids).values_list("pk", *DETAIL_FIELDS)
    stands = {pk: tuple(values) for pk, *values in stored}
    return [
        contact_id
        for contact_id, values in golden_rows(contact_ids)
        if contact_id in stands and stands[contact_id] != values
    ]


def _ids(sql: str) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return [row[0] for row in cursor.fetchall()]

"""Finds and repairs stored golden values that are not what the System Refs say."""

from collections.abc import Callable, Iterator
from datetime import datetime

from django.db import connection, transaction

from contacts.models import Contact
from contacts.models.person_details import DETAIL_FIELDS
from contacts.services.golden import golden_rows, refresh_golden

CONTACTS_AT_ONCE = 2_000


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


def stale_golden(progress: Callable[[int, int], None] | None = None) -> Iterator[int]:
    """The Contacts whose stored golden values differ from what their refs give; asks of every Contact.

    `progress` hears how many of those with several refs were looked at.
    """
    yield from _ids(_STALE_SINGLES)
    shared = _ids(_SHARED)
    for start in range(0, len(shared), CONTACTS_AT_ONCE):
        ids = shared[start : start + CONTACTS_AT_ONCE]
        stored = Contact.objects.filter(pk__in=ids).values_list("pk", *DETAIL_FIELDS)
        stands = {pk: tuple(values) for pk, *values in stored}
        for contact_id, values in golden_rows(ids):
            if contact_id in stands and stands[contact_id] != values:
                yield contact_id
        if progress:
            progress(start + len(ids), len(shared))


def refresh_every_golden(now: datetime, progress: Callable[[int, int], None]) -> dict[str, int]:
    """Repair every stored golden value that differs; returns of how many Contacts, and how many differed."""
    repaired = 0
    stale = list(stale_golden(progress))
    for start in range(0, len(stale), CONTACTS_AT_ONCE):
        with transaction.atomic():
            repaired += refresh_golden(stale[start : start + CONTACTS_AT_ONCE], now=now)
    return {"contacts": Contact.objects.count(), "repaired": repaired}


def _ids(sql: str) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return [row[0] for row in cursor.fetchall()]

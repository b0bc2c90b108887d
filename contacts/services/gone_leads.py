"""Leads of Contacts whose primary is gone at its source: handed on to a ref that stands."""

from collections.abc import Sequence
from datetime import datetime

from django.db import connection

from contacts.models import GoneRef, Mapping, Move
from contacts.models.mapping import PrimaryBy
from contacts.services.primary import Switch, switch_primaries
from contacts.services.primary_order import BY_STANDING, preferred
from contacts.services.primary_rules import rules_in_force

_AT_ONCE = 2_000


def hand_on_leads(contact_ids: Sequence[int], *, now: datetime) -> int:
    """Where the primary of one of these Contacts is gone and another ref stands, let that lead.

    By the primary rules in force, else the first found of those that stand; a choice by hand ends with the
    account that was chosen. Call it in the transaction that has locked the Contacts. Returns how many
    switched; one query where nothing is gone.
    """
    if not contact_ids or not GoneRef.objects.exists():
        return 0
    switched = 0
    for start in range(0, len(contact_ids), _AT_ONCE):
        switches = _switches(contact_ids[start : start + _AT_ONCE])
        if switches:
            switch_primaries(
                switches, primary_by=PrimaryBy.FIRST_FOUND, cause=Move.Cause.PRIMARY_GONE, by=None, now=now
            )
        switched += len(switches)
    return switched


def _switches(contact_ids: Sequence[int]) -> list[Switch]:
    led = Mapping.objects.filter(contact__in=contact_ids, is_primary=True, system_ref__gone__isnull=False)
    wanted = ", ".join(str(int(contact_id)) for contact_id in led.values_list("contact", flat=True))
    if not wanted:
        return []
    chosen = preferred(rules_in_force().active, contacts=f"AND o.contact_id IN ({wanted})")
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT contact_id, was_id, ref_id FROM ({chosen}) chosen WHERE decided_by = {BY_STANDING}"
            " ORDER BY contact_id"
        )
        return [Switch(*row) for row in cursor.fetchall()]

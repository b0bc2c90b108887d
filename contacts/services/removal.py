"""Takes System Refs out for good, and leaves what they were part of whole."""

from collections.abc import Collection
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from contacts.grouping.delta import WIDEST_CONTEXT
from contacts.models import Contact, GroupDecision, Link, Mapping, Move, SystemRef
from contacts.models.mapping import PrimaryBy
from contacts.services.changes import record_changes
from contacts.services.golden import refresh_golden
from contacts.services.grouping_state import holders, kept_keys, mark_pending
from contacts.services.primary import Switch, switch_primaries


@transaction.atomic
def remove_refs(ref_ids: Collection[int], *, now: datetime) -> int:
    """Delete these System Refs with all that hangs on them; returns how many there were.

    Contacts that lose their primary get the first found of the refs that stay, those that lose every ref go
    too, and the next grouping run looks again at everybody whom the removed ones can have held together or
    kept apart. Idempotent; call it with a few thousand at a time.
    """
    contact_ids = sorted(set(Mapping.objects.filter(pk__in=ref_ids).values_list("contact", flat=True)))
    list(Contact.objects.select_for_update().filter(pk__in=contact_ids).order_by("pk").values_list("pk"))
    left_behind = _left_behind(ref_ids)
    _hand_on_the_lead(ref_ids, now=now)
    removed = SystemRef.objects.filter(pk__in=ref_ids)
    count = removed.count()
    removed.delete()
    Contact.objects.filter(pk__in=contact_ids, mappings=None).delete()
    staying = list(Contact.objects.filter(pk__in=contact_ids).values_list("pk", flat=True))
    refresh_golden(staying, now=now)
    record_changes(staying, now=now)
    mark_pending(left_behind)
    return count


def _left_behind(ref_ids: Collection[int]) -> set[int]:
    """Those whose pairs or groups can come out otherwise without them (ADR 0009): who is like one, shares its
    e-mail or mobile, is linked or decided with one, or is of its Contact."""
    keys = kept_keys(ref_ids)
    numbers = {slot: set(keys[slot].drop_null().to_pylist()) for slot in WIDEST_CONTEXT}
    found = holders(numbers)
    ends = Q(left__in=ref_ids) | Q(right__in=ref_ids)
    for model in (Link, GroupDecision):
        for pair in model.objects.filter(ends).values_list("left", "right"):
            found.update(pair)
    contacts = Mapping.objects.filter(pk__in=ref_ids).values("contact")
    found.update(Mapping.objects.filter(contact__in=contacts).values_list("pk", flat=True))
    return found - set(ref_ids)


def _hand_on_the_lead(ref_ids: Collection[int], *, now: datetime) -> None:
    """From those that go to the first found of those that stay."""
    leaving = Mapping.objects.filter(pk__in=ref_ids, is_primary=True)
    leaders = dict(leaving.values_list("contact_id", "pk"))
    heirs: dict[int, int] = {}
    staying = SystemRef.objects.filter(mapping__contact__in=leaders).exclude(pk__in=ref_ids).first_found()
    for those in (staying.standing(), staying):  # one that is gone at its source only where nothing stands
        for contact_id, ref_id in those.values_list("mapping__contact_id", "pk"):
            heirs.setdefault(contact_id, ref_id)
    switch_primaries(
        [Switch(contact_id, leaders[contact_id], ref_id) for contact_id, ref_id in sorted(heirs.items())],
        primary_by=PrimaryBy.FIRST_FOUND,
        cause=Move.Cause.PRIMARY_LEFT,
        by=None,
        now=now,
    )

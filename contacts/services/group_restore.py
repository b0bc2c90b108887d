"""Puts back, of Contacts that an undo brought back, what moving their refs alone does not."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User

from contacts.bulk import insert_rows, update_rows
from contacts.models import Contact, GoldenPin, GroupAlias, GroupChange, Mapping
from contacts.models.any_of import AnyOf
from contacts.services.golden import refresh_golden


def restore_details(changes: Sequence[GroupChange], *, now: datetime) -> None:
    """Dates of GroupIDs and mappings, why a primary leads, pins and aliases, as they were before `changes`.

    Call it in the transaction that has moved the refs back (regroup_writes.write_changes). What was pinned
    since stays. A few queries for any number of changes.
    """
    held = {int(group_id): state for change in changes for group_id, state in change.before.items()}
    living = set(Contact.objects.filter(AnyOf("id", list(held))).values_list("pk", flat=True))
    held = {group_id: state for group_id, state in held.items() if group_id in living}
    rows = [(_moment(state["since"]), group_id) for group_id, state in held.items()]
    update_rows(Contact, ["since"], rows)
    place = dict(Mapping.objects.filter(AnyOf("contact", list(held))).values_list("pk", "contact_id"))
    _restore_mappings(held, place)
    _restore_pins(held, place, changes)
    _restore_aliases(held)
    refresh_golden(held, now=now)


Held = dict[int, dict[str, Any]]  # what stood under each GroupID, as GroupChange.before has it


def _restore_mappings(held: Held, place: dict[int, int]) -> None:
    rows = [
        (ref_id, is_primary, by, since)
        for group_id, state in held.items()
        for ref_id, is_primary, by, since in state["refs"]
        if place.get(ref_id) == group_id
    ]
    update_rows(Mapping, ["since"], [(_moment(since), ref_id) for ref_id, _primary, _by, since in rows])
    leading = set(
        Mapping.objects.filter(AnyOf("contact", list(held)), is_primary=True).values_list("pk", flat=True)
    )
    reasons = [(by, ref_id) for ref_id, is_primary, by, _since in rows if is_primary and ref_id in leading]
    update_rows(Mapping, ["primary_by"], reasons)


def _restore_pins(held: Held, place: dict[int, int], changes: Sequence[GroupChange]) -> None:
    """Pins of the time before go and come back as they were; those that people set since stay."""
    begun = {int(group_id): change.at for change in changes for group_id in change.before}
    stale, kept = [], set()
    pins = GoldenPin.objects.filter(AnyOf("contact", list(held)))
    for pk, contact_id, field, ref_id, at in pins.values_list(
        "pk", "contact_id", "field", "system_ref_id", "at"
    ):
        if at > begun[contact_id]:
            kept.add((contact_id, field, ref_id))
        else:
            stale.append(pk)
    GoldenPin.objects.filter(AnyOf("id", stale)).delete()
    authors = {pin[4] for state in held.values() for pin in state["pins"]} - {None}
    here = set(User.objects.filter(pk__in=authors).values_list("pk", flat=True))
    insert_rows(
        GoldenPin,
        ["id", "contact", "field", "system_ref", "origin", "by", "at"],
        [
            (pk, group_id, field, ref_id, origin, by if by in here else None, _moment(at))
            for group_id, state in held.items()
            for pk, field, ref_id, origin, by, at in state["pins"]
            if place.get(ref_id) == group_id and (group_id, field, ref_id) not in kept
        ],
    )


def _restore_aliases(held: Held) -> None:
    """A number that lives again leads nowhere else; what the undo itself retired goes on leading here."""
    GroupAlias.objects.filter(AnyOf("group_id", list(held))).delete()
    wanted = [
        (pk, number, group_id, _moment(at))
        for group_id, state in held.items()
        for pk, number, at in state["aliases"]
    ]
    numbers = {number for _pk, number, _contact, _at in wanted}
    GroupAlias.objects.filter(AnyOf("group_id", list(numbers)), AnyOf("contact", list(held))).delete()
    insert_rows(GroupAlias, ["id", "group_id", "contact", "at"], wanted)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)

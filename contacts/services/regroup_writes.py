"""Writes change sets: Contacts, mappings, moves, aliases, pins and golden values, whole or not at all."""

import json
from collections.abc import Collection, Sequence
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from contacts.bulk import insert_rows, reserve_ids, update_rows
from contacts.group_plan import ChangeSet, Member, decided_moves, retired
from contacts.models import Contact, GoldenPin, GroupingRun, Mapping, Move, SystemRef
from contacts.models.mapping import PrimaryBy
from contacts.models.person_details import DETAIL_FIELDS
from contacts.services.changes import record_changes
from contacts.services.golden import golden_rows, refresh_golden
from contacts.services.gone_leads import hand_on_leads
from contacts.services.group_aliases import lead_on
from contacts.services.group_changes import Circle, Order, keep_changes
from contacts.services.review_memory import note_new_members

_MOVE_FIELDS = (
    "system_ref",
    "from_group",
    "to_group",
    "was_primary",
    "is_primary",
    "pins",
    "cause",
    "run",
    "change",
    "by",
    "at",
)


@dataclass(frozen=True)
class Placement:
    """One ref of a change set: where it stood, and where it will stand."""

    member: Member
    to: int
    is_primary: bool
    cause: str

    @property
    def is_moved(self) -> bool:
        return self.member.contact_id != self.to

    @property
    def is_changed(self) -> bool:
        return self.is_moved or self.member.is_primary != self.is_primary


@transaction.atomic
def write_changes(
    change_sets: Sequence[ChangeSet],
    *,
    pairs: Collection[tuple[int, int]],
    run: GroupingRun | None,
    now: datetime,
    orders: Dictionary[int, Order] | None = None,
) -> set[int]:
    """Carry out change sets that were planned from a mapping read earlier; returns the refs that had to wait.

    One transaction: call it with a few thousand refs at a time. Change sets whose refs or Contacts are not
    as the plan saw them are left for the next run. `pairs`: the standing decisions, which explain moves.
    `orders`: those of people, by the id() of the change set. What an undo needs is kept (GroupChange).
    """
    before = {
        member.contact_id for change_set in change_sets for part in change_set for member in part.members
    }
    contact_ids = sorted(contact_id for contact_id in before if contact_id is not None)
    valid = _still_valid(change_sets, contact_ids)
    waiting = refs_of(change_sets) - refs_of(valid)
    orders = orders or {}
    placed = _placements(valid, pairs, orders)
    placements = [placement for circle in placed for placement in circle]
    if not placements:
        return waiting
    circles = [
        Circle([(p.member.ref_id, p.member.contact_id, p.to) for p in circle], orders.get(id(change_set)))
        for change_set, circle in zip(valid, placed, strict=True)
    ]
    keep_changes(circles, run_id=run.pk if run else None, now=now)
    gone = {contact_id for change_set in valid for contact_id in retired(change_set)}
    made = sorted({p.to for p in placements} - set(contact_ids))
    changed = [placement for placement in placements if placement.is_changed]
    _write_mappings(changed, now=now)
    _pin_as_ordered(circles, now=now)
    left = _move_pins(changed)
    _insert_contacts(made, now=now)
    _record_moves(changed, circles, pins_left=left, run=run, now=now)
    lead_on([(p.member.ref_id, p.member.contact_id, p.to) for p in placements], retired=gone, now=now)
    Contact.objects.filter(pk__in=gone).delete()
    touched = {p.to for p in changed} | {p.member.contact_id for p in changed if p.member.contact_id}
    refresh_golden(touched - gone - set(made), now=now)
    hand_on_leads(sorted(touched - gone), now=now)
    joined = {p.to for p in changed if p.is_moved}
    note_new_members([p.member.ref_id for p in placements if p.to in joined])
    record_changes(touched, now=now)
    return waiting


def refs_of(change_sets: Sequence[ChangeSet]) -> set[int]:
    """The refs of all of these."""
    return {member.ref_id for change_set in change_sets for part in change_set for member in part.members}


def _still_valid(change_sets: Sequence[ChangeSet], contact_ids: Sequence[int]) -> Sequence[ChangeSet]:
    """Those whose Contacts hold exactly the refs that the plan saw, with the same primaries.

    Locks the refs and then the Contacts, each in the order of their ids, as everybody does who changes a
    ref: until that is committed, the ref stays where its golden values are brought up to date, and from then
    on it is read as it stands. Whoever places a ref into one of the Contacts waits.
    """
    ref_ids = [member.ref_id for s in change_sets for part in s for member in part.members]
    refs = SystemRef.objects.filter(pk__in=ref_ids).order_by("pk").select_for_update(no_key=True)
    known = set(refs.values_list("pk", flat=True))
    if contact_ids:
        locked = Contact.objects.filter(pk__in=contact_ids).select_for_update().order_by("pk")
        list(locked.values_list("pk"))
    columns = ("system_ref_id", "contact_id", "is_primary")
    rows = set(Mapping.objects.filter(system_ref__in=ref_ids).values_list(*columns))
    rows |= set(Mapping.objects.filter(contact__in=contact_ids).values_list(*columns))
    seen = {
        (member.ref_id, member.contact_id, member.is_primary)
        for change_set in change_sets
        for part in change_set
        for member in part.members
        if member.contact_id is not None
    }
    if rows == seen and len(known) == len(ref_ids):
        return change_sets
    refs_astray = {row[0] for row in rows ^ seen} | (set(ref_ids) - known)
    contacts_astray = {row[1] for row in rows ^ seen}
    return [
        change_set
        for change_set in change_sets
        if not any(
            member.ref_id in refs_astray or member.contact_id in contacts_astray
            for part in change_set
            for member in part.members
        )
    ]


def _placements(
    change_sets: Sequence[ChangeSet], pairs: Collection[tuple[int, int]], orders: Dictionary[int, Order]
) -> list[list[Placement]]:
    """Those of each change set."""
    new = iter(
        reserve_ids(
            Contact, sum(part.contact_id is None for change_set in change_sets for part in change_set)
        )
    )
    fresh = [part for change_set in change_sets for part in change_set if part.contact_id is None]
    ids = {id(part): next(new) for part in fresh}
    found = []
    for change_set in change_sets:
        order, here = orders.get(id(change_set)), []
        decided = decided_moves(change_set, pairs)
        torn = _torn(change_set)
        for part in change_set:
            to = ids[id(part)] if part.contact_id is None else part.contact_id
            for member in part.members:
                if order:
                    cause = order.cause
                elif member.contact_id is None:
                    cause = Move.Cause.PLACED
                elif member.ref_id in decided:
                    cause = Move.Cause.DECISION
                else:
                    cause = Move.Cause.SPLIT if member.contact_id in torn else Move.Cause.JOINED
                here.append(Placement(member, to, member.ref_id == part.primary_ref_id, cause.value))
        found.append(here)
    return found


def _torn(change_set: ChangeSet) -> set[int]:
    """The Contacts whose refs no longer stay together."""
    homes: dict[int, set[int]] = {}
    for index, part in enumerate(change_set):
        for member in part.members:
            if member.contact_id is not None:
                homes.setdefault(member.contact_id, set()).add(index)
    return {contact_id for contact_id, parts in homes.items() if len(parts) > 1}


def _write_mappings(changed: Sequence[Placement], *, now: datetime) -> None:
    """First no primary where one will change, then every ref at its place: never two primaries in between."""
    led = [p for p in changed if p.member.is_primary]
    Mapping.objects.filter(pk__in=[p.member.ref_id for p in led]).update(is_primary=False)
    demoted = [p.member.ref_id for p in led if not p.is_primary]
    Mapping.objects.filter(pk__in=demoted).update(primary_by=PrimaryBy.FIRST_FOUND)
    update_rows(
        Mapping,
        ["contact", "is_primary", "since"],
        [
            (p.to, p.is_primary, now, p.member.ref_id)
            for p in changed
            if p.is_moved and p.member.contact_id is not None
        ],
    )
    promoted = [p.member.ref_id for p in changed if not p.is_moved and p.is_primary]
    Mapping.objects.filter(pk__in=promoted).update(is_primary=True)
    insert_rows(
        Mapping,
        ["system_ref", "contact", "is_primary", "primary_by", "since"],
        (
            (p.member.ref_id, p.to, p.is_primary, PrimaryBy.FIRST_FOUND.value, now)
            for p in changed
            if p.member.contact_id is None
        ),
    )


def _insert_contacts(contact_ids: Sequence[int], *, now: datetime) -> None:
    """The new Contacts with their golden values; mappings and pins stand already: keys are deferred."""
    insert_rows(
        Contact,
        ["id", "since", *DETAIL_FIELDS],
        # Read to the end first: a connection in COPY answers no question.
        [(contact_id, now, *values) for contact_id, values in golden_rows(contact_ids)],
    )


def _move_pins(changed: Sequence[Placement]) -> dict[int, list[str]]:
    """Pins leave with their ref (DECISIONS 7); returns the golden fields that left, by ref.

    At its new Contact a pin stands only where no ref that stays or came before it holds one: of several that
    come, those from the oldest Contact.
    """
    moving = {p.member.ref_id: p for p in changed if p.is_moved and p.member.contact_id is not None}
    fields = ("contact_id", "system_ref_id", "field", "origin", "by_id", "at")
    pins = list(
        GoldenPin.objects.filter(system_ref__in=moving).order_by("contact_id", "pk").values_list(*fields)
    )
    if not pins:
        return {}
    GoldenPin.objects.filter(system_ref__in=moving).delete()
    targets = {moving[ref_id].to for _contact, ref_id, *_ in pins}
    standing = GoldenPin.objects.filter(contact__in=targets).values_list("contact_id", "field")
    taken = {(to, field): to for to, field in standing}  # which Contact's pins stand there
    left: dict[int, list[str]] = {}
    kept: list[tuple[Any, ...]] = []
    for before, ref_id, field, *rest in pins:
        left.setdefault(ref_id, []).append(field)
        to = moving[ref_id].to
        if taken.setdefault((to, field), before) == before:
            kept.append((to, ref_id, field, *rest))
    insert_rows(GoldenPin, ["contact", "system_ref", "field", "origin", "by", "at"], kept)
    return left


def _pin_as_ordered(circles: Sequence[Circle], *, now: datetime) -> None:
    """The master's details go before those of the children (R-CM-9): before their pins come along."""
    insert_rows(
        GoldenPin,
        ["contact", "field", "system_ref", "origin", "by", "at"],
        [
            (*pin, GoldenPin.Origin.GROUPING.value, circle.order.by_id, now)
            for circle in circles
            if circle.order
            for pin in circle.order.pins
        ],
    )


def _record_moves(
    changed: Sequence[Placement],
    circles: Sequence[Circle],
    *,
    pins_left: dict[int, list[str]],
    run: GroupingRun | None,
    now: datetime,
) -> None:
    """One row per ref that moved, or that began or ceased to lead: replayed, they give the mapping."""
    circle_of = {ref_id: circle for circle in circles for ref_id, _from, _to in circle.steps}
    insert_rows(
        Move,
        _MOVE_FIELDS,
        (
            (
                p.member.ref_id,
                p.member.contact_id,
                p.to,
                p.member.is_primary,
                p.is_primary,
                json.dumps(pins_left.get(p.member.ref_id, [])),
                p.cause,
                run.pk if run else None,
                circle_of[p.member.ref_id].change_id,
                order.by_id if (order := circle_of[p.member.ref_id].order) else None,
                now,
            )
            for p in changed
        ),
    )

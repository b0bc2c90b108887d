"""Which System Ref leads a Contact: chosen by hand here, and every switch from one to another."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from contacts.bulk import insert_rows
from contacts.models import Contact, Mapping, Move, SystemRef
from contacts.models.mapping import PrimaryBy
from contacts.permissions import SystemRight, holds
from contacts.services.changes import record_changes
from contacts.services.golden import refresh_golden

_MOVE_FIELDS = (
    "system_ref",
    "from_group",
    "to_group",
    "was_primary",
    "is_primary",
    "pins",
    "cause",
    "rule",
    "by",
    "at",
)


class CannotChoosePrimary(Exception):
    """Says, for the person at the screen, why the System Ref does not lead its Contact now."""


class MayNotChoosePrimary(CannotChoosePrimary):
    """The user may not change records of the ref's system, or sees no other to choose from."""


@dataclass(frozen=True, slots=True)
class Switch:
    """One Contact whose lead goes from one of its refs to another; `rule_id`: the PrimaryRule behind it."""

    contact_id: int
    was_id: int
    ref_id: int
    rule_id: int | None = None


def switch_primaries(
    switches: Sequence[Switch],
    *,
    primary_by: PrimaryBy,
    cause: Move.Cause,
    by: User | None,
    now: datetime,
) -> None:
    """Let other refs lead; golden values and notes for the CRMs follow.

    Call it in a transaction that has locked the Contacts and seen that the refs are theirs, with at most a
    few thousand. Demotes before it promotes: never two primaries, not for a moment.
    """
    Mapping.objects.filter(pk__in=[switch.was_id for switch in switches]).update(
        is_primary=False, primary_by=PrimaryBy.FIRST_FOUND
    )
    Mapping.objects.filter(pk__in=[switch.ref_id for switch in switches]).update(
        is_primary=True, primary_by=primary_by
    )
    actor = by.pk if by else None
    insert_rows(
        Move,
        _MOVE_FIELDS,
        (
            (ref_id, s.contact_id, s.contact_id, was, not was, "[]", cause.value, s.rule_id, actor, now)
            for s in switches
            for ref_id, was in ((s.was_id, True), (s.ref_id, False))
        ),
    )
    contact_ids = [switch.contact_id for switch in switches]
    refresh_golden(contact_ids, now=now)
    record_changes(contact_ids, now=now)


@transaction.atomic
def choose_primary(contact: Contact, ref: SystemRef, *, by: User | None, now: datetime) -> bool:
    """Let this ref lead its Contact by a person's word, which no rule and no night undoes (R-MDB-9 to 11).

    Choosing the ref that leads already marks it as chosen by hand. Returns whether anything changed: choosing
    again changes nothing. Raises MayNotChoosePrimary without the right to change records of the ref's system,
    and to whoever sees fewer than two of the Contact's refs; CannotChoosePrimary when the ref is not of this
    Contact, or gone at its source, whatever the others are. `by` None: the system itself, by command.
    """
    leader = _leader(contact, ref, by=by)
    if ref.departure:  # asked of nothing else: another answer where a hidden one stands would tell of it
        raise CannotChoosePrimary(
            "This account is gone at its source; only one that stands there can be chosen."
        )
    if leader.pk == ref.pk and leader.primary_by == PrimaryBy.HAND:
        return False
    if leader.pk == ref.pk:
        _mark(leader, PrimaryBy.HAND, cause=Move.Cause.PRIMARY_BY_HAND, by=by, now=now)
        return True
    switch_primaries(
        [Switch(contact.pk, leader.pk, ref.pk)],
        primary_by=PrimaryBy.HAND,
        cause=Move.Cause.PRIMARY_BY_HAND,
        by=by,
        now=now,
    )
    return True


@transaction.atomic
def leave_primary_to_rules(contact: Contact, ref: SystemRef, *, by: User, now: datetime) -> bool:
    """Take a hand choice back: the ref goes on leading until a rule prefers another.

    Returns whether anything changed; raises as `choose_primary` does.
    """
    leader = _leader(contact, ref, by=by)
    if leader.pk != ref.pk or leader.primary_by != PrimaryBy.HAND:
        return False
    _mark(leader, PrimaryBy.FIRST_FOUND, cause=Move.Cause.PRIMARY_LEFT, by=by, now=now)
    return True


def _leader(contact: Contact, ref: SystemRef, *, by: User | None) -> Mapping:
    """The mapping that leads the Contact, which is locked: whoever regroups or applies rules waits."""
    Contact.objects.select_for_update().filter(pk=contact.pk).first()
    if not Mapping.objects.filter(contact=contact.pk, system_ref=ref).exists():
        raise CannotChoosePrimary("This account is not of this contact any more. Look again.")
    if by is not None and not holds(by, SystemRight.CHANGE, ref.system):
        raise MayNotChoosePrimary(f"You may not change accounts of {ref.system.code}.")
    if by is not None and SystemRef.objects.of(contact).visible_to(by)[:2].count() < 2:
        raise MayNotChoosePrimary("You see one account of this contact: there is nothing to choose from.")
    return Mapping.objects.get(contact=contact.pk, is_primary=True)


def _mark(
    leader: Mapping, primary_by: PrimaryBy, *, cause: Move.Cause, by: User | None, now: datetime
) -> None:
    """Say anew why the leader leads; who did so stands in the moves."""
    Mapping.objects.filter(pk=leader.pk).update(primary_by=primary_by)
    Move.objects.create(
        system_ref_id=leader.pk,
        from_group=leader.contact_id,
        to_group=leader.contact_id,
        was_primary=True,
        is_primary=True,
        cause=cause,
        by=by,
        at=now,
    )

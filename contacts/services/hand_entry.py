"""Enters a contact by hand: a System Ref in the unit's hand system, placed at once."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models.functions import Upper

from contacts import guards
from contacts.bulk import reserve_ids
from contacts.models import (
    BusinessUnit,
    Contact,
    FieldChange,
    Move,
    SystemRef,
    TicketSystem,
)
from contacts.models import Mapping as Placement
from contacts.models.history import Origin
from contacts.models.person_details import DETAIL_FIELDS
from contacts.permissions import SystemRight, holds, systems_of, systems_with
from contacts.services.arrivals import Arrival, take_turns
from contacts.services.golden import refresh_golden
from contacts.services.typed_values import Wrong, read_typed

_NAMED_IN_NOTICE = 3
_IDENTIFYING = ("first_name", "last_name", "email", "phone", "mobile", "company")


class CannotEnter(Exception):
    """Says, for the person at the screen, why the contact was not made; `field` where one is wrong."""

    def __init__(self, reason: str, *, field: str = "") -> None:
        super().__init__(reason)
        self.field = field


class MayNotEnter(CannotEnter):
    """The user lacks the right to change records of the unit's hand system."""


class Entered(NamedTuple):
    """The new Contact, and a notice when others whom the user may see have its e-mail; else blank."""

    contact: Contact
    notice: str


@transaction.atomic
def enter_contact(values: Mapping[str, Any], *, unit: BusinessUnit, by: User, now: datetime) -> Entered:
    """Make a Contact of its own from what a person typed (R-DOO-14), with or without an e-mail.

    `values` by the names of DETAIL_FIELDS. Raises MayNotEnter without the right on the unit's hand system,
    and CannotEnter when a value cannot be read, nothing identifies the person, or a guard objects. An e-mail
    that others have is allowed (R-DOO-10). Safe under two callers: each gets a number of its own.
    """
    system = _hand_system(unit, by=by)
    details = _cleaned(values, now=now)
    if not any(details[name] for name in _IDENTIFYING):
        raise CannotEnter("Give a name, a company, an e-mail or a phone number.")
    notice = email_notice(details["email"], by=by)
    take_turns(system)
    contact = Contact.objects.create(since=now)
    ref = place_hand_ref(system, details, contact=contact, is_primary=True, by=by, now=now)
    refresh_golden([contact.pk], now=now)
    guards.tell_written([ref.pk], system=system, way_in=Origin.HAND, now=now)
    contact.refresh_from_db()
    return Entered(contact, notice)


def place_hand_ref(
    system: TicketSystem,
    details: Mapping[str, Any],
    *,
    contact: Contact,
    is_primary: bool,
    by: User,
    now: datetime,
) -> SystemRef:
    """A new System Ref of a unit's hand entry, in this Contact, with the history of both.

    Call it in a transaction that has taken its turn at the system and holds the Contact; golden values and
    what guards do afterwards are the caller's. Raises CannotEnter when a guard objects.
    """
    [ref_id] = reserve_ids(SystemRef, 1)
    arrival = Arrival(1, f"H-{ref_id:06d}", **details, created_at=now, updated_at=now)
    _ask_guards(arrival, system)
    ref = SystemRef.objects.create(
        pk=ref_id,
        system=system,
        system_ref=arrival.system_ref,
        created_at=now,
        updated_at=now,
        arrived_at=now,
        **details,
    )
    FieldChange.objects.create(system_ref=ref, origin=Origin.HAND, actor=by, at=now)
    Placement.objects.create(system_ref=ref, contact=contact, is_primary=is_primary, since=now)
    Move.objects.create(
        system_ref=ref,
        to_group=contact.pk,
        was_primary=False,
        is_primary=is_primary,
        cause=Move.Cause.HAND_ENTRY,
        by=by,
        at=now,
    )
    return ref


def hand_systems_of(user: User) -> list[TicketSystem]:
    """The hand systems whose records the user may see and change, with their units."""
    changeable = systems_with(user, SystemRight.CHANGE)
    seen = systems_of(user, SystemRight.VIEW)
    return [system for system in seen if system.kind == TicketSystem.Kind.HAND and system.pk in changeable]


def email_notice(email: str, *, by: User) -> str:
    """Which Contacts visible to the user have this e-mail already, as a sentence; blank when none.

    Compared without case and surrounding blanks (R-DOO-11). Contacts known by invisible refs alone are
    neither named nor counted.
    """
    wanted = email.strip().upper()
    if not wanted:
        return ""
    refs = SystemRef.objects.visible_to(by).annotate(upper=Upper("email")).filter(upper=wanted)
    held = refs.exclude(mapping=None).values_list("mapping__contact", flat=True)
    holders = sorted(set(held.order_by("mapping__contact")[:1000]))
    if not holders:
        return ""
    named = ", ".join(str(contact_id) for contact_id in holders[:_NAMED_IN_NOTICE])
    more = f" and {len(holders) - _NAMED_IN_NOTICE} more" if len(holders) > _NAMED_IN_NOTICE else ""
    return f"This e-mail also belongs to GroupID {named}{more}."


def _hand_system(unit: BusinessUnit, *, by: User) -> TicketSystem:
    system = TicketSystem.objects.filter(business_unit=unit, kind=TicketSystem.Kind.HAND).first()
    if system is None or not holds(by, SystemRight.CHANGE, system):
        raise MayNotEnter(f"You may not enter contacts for {unit}.")
    return system


def _cleaned(values: Mapping[str, Any], *, now: datetime) -> dict[str, Any]:
    """The details as an import would store them."""
    try:
        return read_typed(values, DETAIL_FIELDS, now=now)
    except Wrong as wrong:
        field, reason = next(iter(wrong.errors.items()))
        raise CannotEnter(reason, field=field) from None


def _ask_guards(arrival: Arrival, system: TicketSystem) -> None:
    for verdict in guards.verdicts([arrival], system=system, way_in=Origin.HAND).values():
        raise CannotEnter(verdict.reason, field=verdict.column)

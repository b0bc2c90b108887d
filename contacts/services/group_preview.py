"""The golden record that a grouping would make, foretold over what the reader may see; writes nothing."""

from collections.abc import Sequence

from django.contrib.auth.models import User

from contacts.models import Contact, GoldenPin, Mapping
from contacts.models.mapping import PrimaryBy
from contacts.services.golden import golden_of
from contacts.services.leaders import leader_first
from contacts.survivorship import ADDRESS, ADDRESS_FIELDS, Golden


def preview(master: Contact, children: Sequence[Contact], *, user: User) -> dict[str, Golden]:
    """For each detail field that any of them fills: the value and the ref that it would come from.

    The master's details stand, and the children fill what it lacks (R-CM-9, 10): an address is one block.
    Three queries for any number of children, none where `visible_mappings` and `pins` are loaded for this
    user.
    """
    loaded = _loaded([master, *children], user)
    first, *others = (loaded[contact.pk] for contact in (master, *children))
    own = golden_of(_mappings(first), first.pins.all())
    brought = [
        m for contact in sorted(others, key=lambda one: one.pk) for m in leader_first(_mappings(contact))
    ]
    everyone = [*leader_first(_mappings(first)), *brought]
    by_hand = [m for m in everyone if m.is_primary and m.primary_by == PrimaryBy.HAND]
    leader = (by_hand or everyone)[0]  # C-8
    return golden_of([leader, *(m for m in everyone if m is not leader)], _pins(first, others, own))


def _loaded(contacts: Sequence[Contact], user: User) -> dict[int, Contact]:
    if all(hasattr(contact, "visible_mappings") for contact in contacts):
        return {contact.pk: contact for contact in contacts}
    rows = Contact.objects.filter(pk__in=[contact.pk for contact in contacts]).with_visible_refs(user)
    return {contact.pk: contact for contact in rows}


def _mappings(contact: Contact) -> list[Mapping]:
    return contact.visible_mappings  # type: ignore[attr-defined]


def _pins(master: Contact, children: Sequence[Contact], own: dict[str, Golden]) -> list[GoldenPin]:
    """As applying leaves them: the master's, its golden values, and the oldest child's where it has none."""
    pins = list(master.pins.all())
    taken = {pin.field for pin in pins}
    for field, golden in own.items():
        key = ADDRESS if field in ADDRESS_FIELDS else field
        if key not in taken:
            taken.add(key)
            pins.append(_pin(master, key, golden.ref_id))
    for child in sorted(children, key=lambda one: one.pk):
        theirs = [pin for pin in child.pins.all() if pin.field not in taken]
        taken |= {pin.field for pin in theirs}
        pins += theirs
    return pins


def _pin(master: Contact, field: str, ref_id: int) -> GoldenPin:
    """As if just made; never saved."""
    return GoldenPin(pk=0, contact_id=master.pk, field=field, system_ref_id=ref_id, at=master.since)

"""CRM fields: who looks after a person, their segment and their details, kept in a unit's hand entry."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import phonenumbers
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q

from contacts import guards
from contacts.models import (
    BusinessUnit,
    Contact,
    CrmDetails,
    FieldChange,
    GoldenPin,
    GroupDecision,
    Organisation,
    SystemRef,
    TicketSystem,
)
from contacts.models import Mapping as Placement
from contacts.models.history import Origin, as_text
from contacts.models.person_details import DETAIL_FIELDS
from contacts.models.system_ref import SystemRefQuerySet
from contacts.permissions import SystemRight, holds
from contacts.services.arrivals import take_turns
from contacts.services.changes import record_changes
from contacts.services.corrections import CannotCorrect, MayNotCorrect, Overtaken, correct
from contacts.services.crm_values import CrmValues, crm_lock, crm_values, owners, who_may_lift
from contacts.services.golden import golden_of, refresh_golden
from contacts.services.gone_leads import hand_on_leads
from contacts.services.hand_entry import CannotEnter, place_hand_ref
from contacts.services.typed_values import PHONE_FIELDS, Wrong, read_typed, typed_text
from contacts.survivorship import ADDRESS, ADDRESS_FIELDS

__all__ = [
    "CRM_FIELDS",
    "CrmValues",
    "Edited",
    "FieldsLocked",
    "crm_lock",
    "crm_values",
    "edit_crm_fields",
    "owners",
    "who_may_lift",
]

OWNER, SEGMENT = "owner", "segment"
# The details among them; the external customer ID is its system's to give.
EDITED = tuple(name for name in DETAIL_FIELDS if name != "external_customer_id")
CRM_FIELDS = (OWNER, SEGMENT, *EDITED)
BELONGS = "CRM fields entered by hand"  # the reason of the decision that keeps the values with the person
_LONGEST_SEGMENT = CrmDetails._meta.get_field("segment").max_length or 0
_BLANKS: dict[str, Any] = {
    name: Contact._meta.get_field(name).get_default()  # type: ignore[union-attr]
    for name in DETAIL_FIELDS
}


class FieldsLocked(MayNotCorrect):
    """Nobody edits CRM fields while a system is isolated and the organisation has not lifted the lock."""


@dataclass(frozen=True)
class Edited:
    """What was changed, by field; `ref` holds it now, None where nothing was."""

    ref: SystemRef | None
    fields: Sequence[str] = ()


@transaction.atomic
def edit_crm_fields(
    contact: Contact,
    values: Mapping[str, Any],
    *,
    unit: BusinessUnit,
    seen: Mapping[str, str] | None,
    by: User,
    now: datetime,
) -> Edited:
    """Let these CRM fields of the Contact be what a person says, in the hand entry of this unit.

    `values` by field: texts, and the owner as a User or None. `seen`: by field what the person's page showed,
    as history writes it, the owner by id. A field left as it was seen is not touched; one that changed
    meanwhile raises Overtaken. The values stand in the unit's hand-entered System Ref of the Contact, made
    where there is none, and lead by a pin; the address is one block. A blank takes back what hand entry said.

    Raises FieldsLocked; MayNotCorrect without the right to change contacts, or the records of the unit's hand
    entry; CannotCorrect where nothing can be written; Wrong by field. All or nothing. Doing it again changes
    nothing, and two callers take turns.
    """
    if reason := crm_lock(Organisation.load()):
        raise FieldsLocked(reason)
    system = _hand_system(unit, by=by)
    take_turns(system)
    edit = _Edit(contact, system, by=by, now=now)
    meant = edit.meant(values, seen)
    details = _typed(values, meant, edit)
    changed = edit.changed(meant, details, values, seen)
    if not changed:
        return Edited(None)
    edit.refuse_idle(changed, details, values)
    ref = edit.ref()
    written = {name: details[name] for name in details if name in changed or _shares_a_block(name, changed)}
    edit.keep_together(ref, written.get("date_of_birth"))
    edit.pin(ref, written)
    correct(ref, written, seen=None, by=by, now=now)
    edit.tell_crm_details(ref, {name: values[name] for name in (OWNER, SEGMENT) if name in changed})
    hand_on_leads([contact.pk], now=now)  # where every account is gone, the hand entry is what stands
    refresh_golden([contact.pk], now=now)
    record_changes([contact.pk], now=now)
    return Edited(ref, [name for name in CRM_FIELDS if name in changed])


class _Edit:
    """One Contact while its CRM fields are edited: locked, as the person may see it."""

    def __init__(self, contact: Contact, system: TicketSystem, *, by: User, now: datetime) -> None:
        self.contact, self.system, self.by, self.now = contact, system, by, now
        own = SystemRef.objects.of(contact).filter(system=system)
        # Refs before Contacts, as whoever corrects a ref locks them.
        list(own.order_by("pk").select_for_update(no_key=True, of=("self",)).values_list("pk"))
        list(Contact.objects.filter(pk=contact.pk).select_for_update().values_list("pk"))
        found = Contact.objects.filter(pk=contact.pk).visible_to(by).with_visible_refs(by).first()
        if found is None:
            raise CannotCorrect("This contact is not here any more. Look again.")
        self.mappings: Sequence[Placement] = found.visible_mappings
        self.golden = golden_of(self.mappings, found.pins.all())
        self.crm = crm_values(self.mappings)
        self.stands = {name: "" for name in EDITED}
        self.stands |= {name: as_text(self.golden[name].value) for name in EDITED if name in self.golden}
        self.stands |= {OWNER: _owner_text(self.crm.owner), SEGMENT: self.crm.segment}

    def meant(self, values: Mapping[str, Any], seen: Mapping[str, str] | None) -> list[str]:
        """The fields that the person really wrote something into; of the address all or none."""
        given = {name: _text_of(name, values[name]) for name in CRM_FIELDS if name in values}
        meant = [name for name in given if seen is None or name not in seen or given[name] != seen[name]]
        block = ADDRESS_FIELDS if any(name in ADDRESS_FIELDS for name in meant) else ()
        return [name for name in CRM_FIELDS if name in meant or name in block]

    def changed(
        self,
        meant: Sequence[str],
        details: Mapping[str, Any],
        values: Mapping[str, Any],
        seen: Mapping[str, str] | None,
    ) -> list[str]:
        """Those of the meant fields that become something else. Raises Overtaken."""
        new = {n: as_text(details[n]) if n in details else _text_of(n, values[n]) for n in meant}
        changed = [name for name in meant if new[name] != self.stands[name]]
        theirs = {
            name: self.stands[name]
            for name in changed
            if seen is not None and seen.get(name, self.stands[name]) != self.stands[name]
        }
        if theirs:
            raise Overtaken(theirs)
        return changed

    def refuse_idle(
        self, changed: Sequence[str], details: Mapping[str, Any], values: Mapping[str, Any]
    ) -> None:
        """Raise Wrong where nothing would change: another record says the value, and a blank does not outdo
        it; or a CRM says owner or segment, which nothing outdoes."""
        errors = {}
        for name in changed:
            is_blank = not (details[name] if name in details else values[name])
            teller = self._teller(name)
            is_gone = _is_blank_block(details) if name in ADDRESS_FIELDS else True
            if teller and name in (OWNER, SEGMENT) and teller.system.kind == TicketSystem.Kind.CRM:
                errors[name] = f"{teller} says this: change it there."
            elif is_blank and is_gone and teller and teller.system_id != self.system.pk:
                errors[name] = f"{teller} says this, and a blank here does not take it back: change it there."
        if errors:
            raise Wrong(errors)

    def _teller(self, name: str) -> SystemRef | None:
        """The ref that says what the field is now."""
        if name in (OWNER, SEGMENT):
            return self.crm.owner_ref if name == OWNER else self.crm.segment_ref
        golden = self.golden.get(name)
        return next((m.system_ref for m in self.mappings if golden and m.pk == golden.ref_id), None)

    def ref(self) -> SystemRef:
        """The unit's own ref of this Contact; of several the one that has CRM details, then the oldest."""
        own = SystemRef.objects.of(self.contact).filter(system=self.system)
        ref = own.order_by("crm_details__at", "pk").filter(crm_details__isnull=False).last()
        ref = ref or own.order_by("pk").first()
        if ref is not None:
            return ref
        systems = TicketSystem.objects.filter(system_refs__mapping__contact=self.contact)
        if not self.system.is_matched_across or systems.filter(is_matched_across=False).exists():
            raise CannotCorrect(
                "Its records are never joined with those of another system, so nothing can be added."
            )
        try:
            made = place_hand_ref(
                self.system, dict(_BLANKS), contact=self.contact, is_primary=False, by=self.by, now=self.now
            )
        except CannotEnter as refusal:
            raise CannotCorrect(str(refusal)) from None
        guards.tell_written([made.pk], system=self.system, way_in=Origin.HAND, now=self.now)
        return made

    def keep_together(self, ref: SystemRef, born: date | None) -> None:
        """No night parts the values from the person, or the person's accounts for the sake of the values.

        Bound to one of the unit's own refs where there is one: it explains to the unit's people why the
        values stand here, and where a night takes a Contact apart, they stay with the unit. And bound to
        every account that says another date of birth than the one now told: else two dates would make two
        people of them.
        """
        others = SystemRef.objects.of(self.contact).exclude(pk=ref.pk)
        partners = (
            [] if born is None else list(others.exclude(date_of_birth=born).exclude(date_of_birth=None))
        )
        near = self._nearest(others)
        must = GroupDecision.objects.standing().filter(kind=GroupDecision.Kind.MUST)
        if not must.filter(Q(left=ref, right__in=near) | Q(left__in=near, right=ref)).exists():
            leading = near.filter(mapping__is_primary=True)
            first = leading.first() or near.standing().first_found().first() or near.first_found().first()
            partners += [first] if first else []
        pairs = {(min(ref.pk, other.pk), max(ref.pk, other.pk)) for other in partners}
        GroupDecision.objects.bulk_create(
            [
                GroupDecision(
                    kind=GroupDecision.Kind.MUST,
                    left_id=left,
                    right_id=right,
                    author=self.by,
                    reason=BELONGS,
                    since=self.now,
                )
                for left, right in sorted(pairs)
            ],
            ignore_conflicts=True,  # decided already; or that the two never belong together, which stands
        )

    def _nearest(self, others: SystemRefQuerySet) -> SystemRefQuerySet:
        """Those of the unit that the person may see; else all they may see; else all."""
        seen = others.visible_to(self.by)
        nearest = (seen.filter(system__business_unit=self.system.business_unit_id), seen, others)
        return next((refs for refs in nearest if refs.exists()), others)

    def pin(self, ref: SystemRef, written: Mapping[str, Any]) -> None:
        """Let the ref lead in what was written; where that is blank it leads no more."""
        keys = dict.fromkeys(ADDRESS if name in ADDRESS_FIELDS else name for name in written)
        for key in keys:
            is_said = not _is_blank_block(written) if key == ADDRESS else bool(written[key])
            pins = GoldenPin.objects.filter(contact=self.contact, field=key, system_ref=ref)
            if not is_said:
                pins.delete()
                continue
            GoldenPin.objects.update_or_create(
                contact=self.contact,
                field=key,
                system_ref=ref,
                defaults={"origin": GoldenPin.Origin.PERSON, "by": self.by, "at": self.now},
            )

    def tell_crm_details(self, ref: SystemRef, values: Mapping[str, Any]) -> None:
        """Owner and segment, with their history; a blank is one on every ref of the unit's hand entry."""
        for name, value in values.items():
            new = typed_text(value) if name == SEGMENT else value
            own = CrmDetails.objects.filter(system_ref__mapping__contact=self.contact)
            told = {one.pk: one for one in own.filter(system_ref__system=self.system).select_related("owner")}
            for ref_id in [ref.pk] if new else list(told):
                details = told.get(ref_id) or CrmDetails(system_ref_id=ref_id)
                before = getattr(details, name)
                setattr(details, name, new)
                details.at = self.now
                details.save()
                self._tell(ref_id, name, _said(before), _said(new))

    def _tell(self, ref_id: int, name: str, before: str, after: str) -> None:
        if before != after:
            FieldChange.objects.create(
                system_ref_id=ref_id,
                field=name,
                before=before,
                after=after,
                origin=Origin.HAND,
                actor=self.by,
                at=self.now,
            )


def _hand_system(unit: BusinessUnit, *, by: User) -> TicketSystem:
    systems = TicketSystem.objects.select_related("business_unit")
    system = systems.filter(business_unit=unit, kind=TicketSystem.Kind.HAND).first()
    may = by.has_perm("contacts.change_contact")
    if system is None or not may or not holds(by, SystemRight.CHANGE, system):
        raise MayNotCorrect(f"You may not change CRM fields for {unit}.")
    return system


def _typed(values: Mapping[str, Any], meant: Sequence[str], edit: _Edit) -> dict[str, Any]:
    """The details as a System Ref stores them, all five of an address; raises Wrong for these and the others.

    A part of the address that was not given stays as it is. A number of somebody who lives in another country
    than ours is written so that it can be dialled from anywhere: hand entry knows no country of its own.
    """
    errors = {}
    if OWNER in meant and values[OWNER] and not owners().filter(pk=values[OWNER].pk).exists():
        errors[OWNER] = "Choose somebody who works here."
    if SEGMENT in meant and len(typed_text(values[SEGMENT])) > _LONGEST_SEGMENT:
        errors[SEGMENT] = f"At most {_LONGEST_SEGMENT} characters."
    elif SEGMENT in meant and not typed_text(values[SEGMENT]).isprintable():
        errors[SEGMENT] = "It holds a character that no keyboard types."
    details: dict[str, Any] = {}
    try:
        given = {**{name: edit.stands[name] for name in ADDRESS_FIELDS}, **values}
        details = read_typed(given, [name for name in meant if name in EDITED], now=edit.now)
    except Wrong as wrong:
        errors |= wrong.errors
    if errors:
        raise Wrong(errors)
    country = details.get("country") or edit.stands["country"]
    return {n: _dialled_from(country, v) if n in PHONE_FIELDS else v for n, v in details.items()}


def _dialled_from(country: str, number: str) -> str:
    if not country or not number or country == Organisation.load().default_country:
        return number
    try:
        parsed = phonenumbers.parse(number, country)
    except phonenumbers.NumberParseException:
        return number  # which is refused as a number that nobody could dial
    if not phonenumbers.is_possible_number(parsed) or number.startswith("+"):
        return number
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def _shares_a_block(name: str, changed: Sequence[str]) -> bool:
    return name in ADDRESS_FIELDS and any(one in ADDRESS_FIELDS for one in changed)


def _is_blank_block(details: Mapping[str, Any]) -> bool:
    return not any(details.get(name) for name in ADDRESS_FIELDS)


def _owner_text(owner: User | None) -> str:
    return str(owner.pk) if owner else ""


def _text_of(name: str, value: Any) -> str:
    return _owner_text(value) if name == OWNER else typed_text(value)


def _said(value: Any) -> str:
    """As history tells it: staff by their names."""
    return (value.get_full_name() or value.get_username()) if isinstance(value, User) else value or ""

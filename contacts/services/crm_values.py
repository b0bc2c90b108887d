"""CRM fields as they stand: owner and segment over visible refs, and whether editing is locked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Q

from contacts.models import CrmDetails, Organisation, SystemRef, TicketSystem
from contacts.models import Mapping as Placement

_LOCKED = (
    "Ticket systems are kept apart by contract here, so CRM fields can only be read. "
    "What an account says is changed in the Ticketing Data Manager."
)


@dataclass(frozen=True)
class CrmValues:
    """Owner and segment of a person, each with the ref it comes from; None where nobody says."""

    owner: User | None = None
    owner_ref: SystemRef | None = None
    segment: str = ""
    segment_ref: SystemRef | None = None


def crm_lock(organisation: Organisation) -> str:
    """Why nobody may edit CRM fields now, as a sentence; blank where they are open (DECISIONS 12).

    The same for every contact and every reader, so that it hints at nothing. One query where the lock is on.
    """
    if organisation.locks_crm_fields and TicketSystem.objects.filter(is_isolated=True).exists():
        return _LOCKED
    return ""


def who_may_lift(user: User) -> list[User]:
    """Some who may lift the lock, beside this user; superusers only where nobody else does."""
    backend = "django.contrib.auth.backends.ModelBackend"
    managers = User.objects.with_perm(
        "contacts.change_organisation", backend=backend, include_superusers=False
    )
    named = managers.exclude(Q(pk=user.pk) | Q(is_superuser=True)).order_by("last_name", "username")[:3]
    others = User.objects.filter(is_active=True, is_superuser=True).exclude(pk=user.pk)
    return list(named) or list(others.order_by("last_name", "username")[:3])


def crm_values(mappings: Sequence[Placement]) -> CrmValues:
    """Owner and segment over these mappings of one Contact; give those visible to the reader alone.

    What a CRM says goes before hand entry, then the newest; a blank says nothing. One query.
    """
    refs = {mapping.system_ref_id: mapping.system_ref for mapping in mappings}
    told = CrmDetails.objects.filter(system_ref__in=refs).select_related("owner")
    is_hand = {pk: ref.system.kind != TicketSystem.Kind.CRM for pk, ref in refs.items()}
    in_order = sorted(told, key=lambda one: (is_hand[one.pk], -one.at.timestamp(), one.pk))
    owner = next((one for one in in_order if one.owner), None)
    segment = next((one for one in in_order if one.segment), None)
    return CrmValues(
        owner=owner.owner if owner else None,
        owner_ref=refs[owner.pk] if owner else None,
        segment=segment.segment if segment else "",
        segment_ref=refs[segment.pk] if segment else None,
    )


def owners() -> Any:
    """Who can look after people: active staff, by name."""
    return User.objects.filter(is_active=True, is_staff=True).order_by("last_name", "first_name", "username")

"""Who may look at the product with whose rights; every look is kept in the audit trail of rights."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from contacts.models import RightsRecord
from contacts.permissions import SystemRight, systems_with
from contacts.services.rights import name_of

ALLOWED_BY = "contacts.view_as_user"


class MayNotViewAs(Exception):
    """Says, in words for the person at the screen, why they may not look with somebody's rights."""


def why_not_view_as(other: User, *, by: User) -> str:
    """Why this person may not look with the other's rights, as a sentence; blank where they may.

    Two queries for the other's rights, and at most as many for their own.
    """
    if reason := _why_never(other, by):
        return reason
    systems = {right: systems_with(other, right) for right in SystemRight}
    return why_wider(other.get_all_permissions(), systems, than=by)


def why_not_view_as_one_of(
    other: User, *, permissions: AbstractSet[str], systems: Mapping[SystemRight, AbstractSet[int]], by: User
) -> str:
    """As why_not_view_as, for many: with what each may do known already, it asks of `by` alone."""
    return _why_never(other, by) or why_wider(permissions, systems, than=by)


def why_wider(
    permissions: AbstractSet[str], systems: Mapping[SystemRight, AbstractSet[int]], *, than: User
) -> str:
    """Which of these go beyond what somebody may do themselves, as a sentence; blank where none does."""
    if than.is_superuser:
        return ""
    if not permissions <= than.get_all_permissions():
        return "Their role may do more than yours."
    for right, verb in ((SystemRight.VIEW, "see"), (SystemRight.CHANGE, "change")):
        if systems[right] - systems_with(than, right):
            return f"They {verb} records of a system whose records you do not {verb}."
    return ""


@transaction.atomic
def begin_viewing_as(other: User, *, by: User, now: datetime) -> RightsRecord:
    """Keep that somebody looks with the other's rights from now on. Raises MayNotViewAs."""
    if reason := why_not_view_as(other, by=by):
        raise MayNotViewAs(reason)
    return RightsRecord.objects.create(
        deed=RightsRecord.Deed.VIEWED_AS,
        by_id=by.pk,
        by_name=name_of(by),
        user_id=other.pk,
        to_name=name_of(other),
        at=now,
    )


def _why_never(other: User, by: User) -> str:
    if not by.is_active or not by.has_perm(ALLOWED_BY):
        return "Your role does not look with others' rights."
    if other.pk == by.pk:
        return "That is you."
    if other.is_superuser:
        return "Nobody looks with a superuser's rights."
    if not other.is_active:
        return "Disabled: sees nothing."
    return "" if other.is_staff else "Has no access to these screens."

"""Holds on lines of tonight's plan: refs whose groups, or whose primary, no night changes until let go."""

from collections.abc import Collection
from datetime import datetime

from django.contrib.auth.models import AnonymousUser, User
from django.db import IntegrityError, transaction

from contacts.models import HeldLine, HeldRef, SystemRef
from contacts.permissions import SystemRight, systems_with

MAY_HOLD = "contacts.group_contacts"


class CannotHold(Exception):
    """Says, in words for the person at the screen, why a line is not held or not let go."""


class MayNotHold(CannotHold):
    """The same sentence whatever is missing: it tells nothing of what is hidden."""

    def __init__(self) -> None:
        super().__init__("You may not hold this line, or let it go.")


class AlreadyHeld(CannotHold):
    """Another hold keeps some of these refs in place."""

    def __init__(self) -> None:
        super().__init__("It is held already.")


def may_hold(user: User | AnonymousUser, ref_ids: Collection[int]) -> bool:
    """Whether the user may group, and sees the system of every one of these refs; one query beside the
    rights.
    """
    if not user.has_perm(MAY_HOLD):
        return False
    systems = SystemRef.objects.filter(pk__in=ref_ids).values_list("system", flat=True)
    return bool(ref_ids) and set(systems) <= systems_with(user, SystemRight.VIEW)


@transaction.atomic
def hold(ref_ids: Collection[int], *, kind: HeldLine.Kind, by: User, now: datetime) -> HeldLine:
    """Keep these refs as they are, night after night, until the line is let go.

    REGROUP: a circle of Contacts that touches one of them is left alone and waits for the next night.
    PRIMARY: no rule lets another ref lead the Contact that one of them stands in. Returns the line; of refs
    that one line holds already exactly so, that line. Raises MayNotHold, or AlreadyHeld where another line
    holds some of them, also when two callers hold them at once.
    """
    if not may_hold(by, ref_ids):
        raise MayNotHold
    wanted = set(ref_ids)
    known = HeldLine.objects.filter(kind=kind, refs__system_ref__in=wanted).distinct()
    if len(standing := list(known[:2])) == 1 and _refs_of(standing[0]) == wanted:
        return standing[0]
    if standing:
        raise AlreadyHeld
    try:
        with transaction.atomic():
            line = HeldLine.objects.create(kind=kind, by=by, at=now)
            rows = [HeldRef(line=line, kind=kind, system_ref_id=ref_id) for ref_id in sorted(wanted)]
            HeldRef.objects.bulk_create(rows)
    except IntegrityError:
        raise AlreadyHeld from None
    return line


@transaction.atomic
def let_go(line: HeldLine, *, by: User) -> None:
    """The coming night may do again what this line kept from it. Twice changes nothing; raises MayNotHold."""
    refs = _refs_of(line)
    # A line of which every ref was erased keeps nothing in place: whoever may group may drop it.
    if not by.has_perm(MAY_HOLD) or (refs and not may_hold(by, refs)):
        raise MayNotHold
    HeldLine.objects.filter(pk=line.pk).delete()


def held_ref_ids(kind: HeldLine.Kind) -> set[int]:
    """The System Refs that lines of this kind keep in place; one query, of as many rows as are held."""
    return set(HeldRef.objects.filter(kind=kind).values_list("system_ref", flat=True))


def _refs_of(line: HeldLine) -> set[int]:
    return set(line.refs.values_list("system_ref", flat=True))

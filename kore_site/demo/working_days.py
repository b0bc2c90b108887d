"""What the club's people did in the last days: looked after fans, put accounts right, wrote to the shop."""

import datetime as dt
import itertools
from collections.abc import Callable, Sequence

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Sum

from contacts.models import BusinessUnit, Contact, HeldValue, Organisation, SystemRef
from contacts.services.crm_fields import edit_crm_fields
from kore_site.demo import club
from kore_site.demo.live_source import give_phone_number
from ticketing.models import SourceConnection, WriteBack
from ticketing.services.carry_out import carry_out
from ticketing.services.submit import submit

LOOKED_AFTER = 40  # fans who have an owner and a segment
_SEGMENTS = ("Founding member", "Family", "Hospitality", "Regular", "Regular")
_WRITTEN = 2  # changes that the shop takes, before the one that it refuses


def work_before(retold: Sequence[str], *, now: dt.datetime) -> dict[str, int]:
    """Owners and segments, and corrections of accounts of the box office, which its last file contradicts."""
    return {"fans_looked_after": look_after_fans(now=now), "accounts_corrected": correct(retold, now=now)}


@transaction.atomic
def look_after_fans(*, now: dt.datetime) -> int:
    """The manager gives the Mariners' best customers an owner and a segment; the lock is lifted meanwhile."""
    manager, rep = _person(club.MANAGER), _person(club.REP)
    unit = BusinessUnit.objects.get(code=club.MARINERS.code)
    spent = Sum("mappings__system_ref__spent_total")
    of_unit = Contact.objects.filter(mappings__system_ref__system__business_unit=unit)
    best = of_unit.annotate(spent=spent).order_by("-spent", "pk")[:LOOKED_AFTER]
    Organisation.objects.update(locks_crm_fields=False)
    for number, (contact, segment) in enumerate(zip(best, itertools.cycle(_SEGMENTS), strict=False)):
        values = {"owner": manager if number % 4 == 3 else rep, "segment": segment}
        edit_crm_fields(contact, values, unit=unit, seen=None, by=manager, now=now)
    Organisation.objects.update(locks_crm_fields=True)
    return len(best)


def correct(numbers: Sequence[str], *, now: dt.datetime) -> int:
    """The rep writes down what these customers of the box office said on the telephone."""
    rep = _person(club.REP)
    refs = SystemRef.objects.filter(system__code=club.BOX_OFFICE.code, system_ref__in=numbers)
    for ref in refs.order_by("system_ref"):
        submit(ref, {"mobile": _another_mobile(ref, 900_700)}, seen=None, by=rep, now=now)
    return len(refs)


def work_on_the_shop(*, clock: Callable[[], dt.datetime]) -> dict[str, int]:
    """The rep changes accounts of the shop: it takes some, and refuses one that it changed itself meanwhile.

    The cluster is not up yet, so they are written from here.
    """
    rep, connection = _person(club.REP), SourceConnection.objects.get(system__code=club.SHOP.code)
    refs = SystemRef.objects.filter(system=connection.system_id).order_by("system_ref")[: _WRITTEN + 1]
    for ref in refs:
        submit(ref, {"mobile": _another_mobile(ref, 900_800)}, seen=None, by=rep, now=clock())
    if len(refs) > _WRITTEN:
        give_phone_number(refs[_WRITTEN].system_ref, "07700 900899", now=clock())
    carry_out(connection, clock=clock)
    found = WriteBack.objects.filter(system_ref__in=refs)
    return {
        "written": found.filter(state=WriteBack.State.WRITTEN).count(),
        "refused": found.filter(state=WriteBack.State.REFUSED).count(),
        "conflicts": HeldValue.objects.conflicts().count(),
    }


def _person(person: club.Person) -> User:
    return User.objects.get(username=person.username)


def _another_mobile(ref: SystemRef, first: int) -> str:
    """A number like all of the demonstration, which nobody can be reached by, and not the ref's."""
    numbers = (f"07700 {first + ref.pk % 90 + more}" for more in range(2))
    return next(number for number in numbers if number != ref.mobile)

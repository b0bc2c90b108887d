"""New System Refs are placed by day; joining and splitting waits for the night."""

import pytest

from contacts.exclusive import exclusive
from contacts.models import Link, Mapping, Move, Organisation, SystemRef
from contacts.services.placement import place_new_refs
from contacts.services.regroup import GROUPING, regroup
from tests.contacts.test_group_writes import broken
from tests.factories import NOW, SystemRefFactory, TicketSystemFactory

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

ANN = {"first_name": "Ann", "last_name": "Marlow", "email": "ann@example.org"}
MOVED = {"first_name": "Ann", "last_name": "Marlow", "mobile": "07700 900123", "postcode": "LS1 4AB"}


@pytest.fixture
def system():
    return TicketSystemFactory(rank=10)


@pytest.fixture
def grouped(system):
    """Ann under two Contacts that nothing joins yet, and somebody else."""
    refs = [SystemRefFactory(system=system, **details) for details in (ANN, MOVED, {"last_name": "Reyes"})]
    regroup(now=NOW)
    assert Mapping.objects.values("contact").distinct().count() == 3
    return refs


def contact_of(ref: SystemRef) -> int:
    return Mapping.objects.get(pk=ref.pk).contact_id


@pytest.mark.req("D-3", "R-MDB-4")
def test_a_new_ref_is_placed_by_day_into_the_contact_it_matches_and_else_into_a_new_one(system, grouped):
    known = SystemRefFactory(system=system, **ANN)
    unknown = SystemRefFactory(system=system, first_name="Chidi", last_name="Okafor")

    placed = place_new_refs(now=NOW)

    assert placed == 2
    assert contact_of(known) == contact_of(grouped[0])
    assert contact_of(unknown) not in {contact_of(ref) for ref in grouped}
    assert Move.objects.get(system_ref=known).cause == Move.Cause.PLACED
    assert Link.objects.get(right=known).decision == Link.Decision.JOINED
    assert broken() == []
    assert place_new_refs(now=NOW) == 0


def test_a_ref_that_matches_two_contacts_joins_the_older_and_the_night_joins_them(system, grouped):
    both = SystemRefFactory(system=system, **ANN | MOVED)

    place_new_refs(now=NOW)
    by_day = [contact_of(ref) for ref in (*grouped[:2], both)]
    night = regroup(now=NOW)

    first, second = (contact for contact in by_day[:2])
    assert first != second
    assert by_day[2] == min(first, second)
    assert night.joined == 1
    assert {contact_of(ref) for ref in (*grouped[:2], both)} == {min(first, second)}
    assert broken() == []


def test_an_edit_by_day_moves_nobody_until_the_night(system, grouped):
    SystemRef.objects.filter(pk=grouped[1].pk).update(**ANN)
    before = set(Mapping.objects.values_list("pk", "contact_id"))

    placed = place_new_refs(now=NOW)

    assert (placed, set(Mapping.objects.values_list("pk", "contact_id"))) == (0, before)
    assert regroup(now=NOW).joined == 1


def test_a_first_load_waits_for_the_night(system):
    SystemRefFactory(system=system, **ANN)

    assert place_new_refs(now=NOW) == 0
    assert not Mapping.objects.exists()


def test_while_a_run_is_at_work_new_refs_wait(system, grouped):
    SystemRefFactory(system=system, **ANN)

    with exclusive(GROUPING):
        assert place_new_refs(now=NOW) == 0


def test_a_flood_that_the_brake_would_hold_is_not_placed_by_day_either(system, grouped):
    Organisation.load()
    Organisation.objects.update(brake_size=2)
    for _ in range(2):
        SystemRefFactory(system=system, **ANN)
    alone = SystemRefFactory(system=system, first_name="Chidi", last_name="Okafor")

    assert place_new_refs(now=NOW) == 1
    assert Mapping.objects.filter(pk=alone.pk).exists()
    assert Mapping.objects.filter(contact=contact_of(grouped[0])).count() == 1

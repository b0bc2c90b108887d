"""The stored golden record: written where it differs, from whichever refs survivorship chooses."""

import datetime as dt

import pytest

from contacts.models import Contact, GoldenPin, Organisation, QueueObject
from contacts.services.golden import golden_of, refresh_golden
from tests.factories import NOW, MappingFactory, SystemRefFactory

pytestmark = pytest.mark.django_db


def two_refs_of_one_person():
    first = MappingFactory(
        system_ref=SystemRefFactory(first_name="Ann", last_name="Lee", updated_at=NOW),
    )
    second = MappingFactory(
        system_ref=SystemRefFactory(
            first_name="Anne", email="ann@x.org", updated_at=NOW + dt.timedelta(days=1)
        ),
        contact=first.contact,
        is_primary=False,
    )
    return first, second


@pytest.mark.req("R-MDB-12")
def test_the_primary_supplies_the_details_and_the_others_fill_its_gaps():
    first, _second = two_refs_of_one_person()

    changed = refresh_golden([first.contact_id], now=NOW)

    stored = Contact.objects.get(pk=first.contact_id)
    assert (changed, stored.first_name, stored.last_name, stored.email) == (1, "Ann", "Lee", "ann@x.org")


def test_a_refresh_that_finds_nothing_new_writes_nothing():
    first, _second = two_refs_of_one_person()
    refresh_golden([first.contact_id], now=NOW)

    changed = refresh_golden([first.contact_id], now=NOW)

    assert changed == 0


def test_the_stored_values_are_those_that_golden_of_gives():
    first, second = two_refs_of_one_person()
    GoldenPin.objects.create(
        contact=first.contact, field="first_name", system_ref=second.system_ref, origin="person", at=NOW
    )

    refresh_golden([first.contact_id], now=NOW)

    stored = Contact.objects.get(pk=first.contact_id)
    golden = golden_of([first, second], first.contact.pins.all())
    assert {name: getattr(stored, name) for name in golden} == {
        name: value.value for name, value in golden.items()
    }
    assert stored.first_name == "Anne"


def test_a_changed_contact_is_noted_for_the_crm_and_an_unchanged_one_is_not():
    Organisation.objects.update_or_create(defaults={"is_crm_connected": True})
    first, _second = two_refs_of_one_person()
    other = MappingFactory()

    refresh_golden([first.contact_id, other.contact_id], now=NOW)

    assert list(QueueObject.objects.values_list("record_id", flat=True)) == [first.contact_id]

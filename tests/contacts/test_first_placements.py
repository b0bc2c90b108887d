"""First placements: many new Contacts at once, with golden values, moves and whoever came in between."""

import datetime as dt

import pyarrow as pa
import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contacts.group_plan import FIRST_SCHEMA
from contacts.models import Contact, Mapping, Move, Organisation, QueueObject, SystemRef
from contacts.models.person_details import DETAIL_FIELDS
from contacts.services.first_placements import write_first_placements
from contacts.services.golden import golden_of
from contacts.services.golden_check import stale_golden
from tests.contacts.test_group_writes import Undone, broken, mapping, replayed
from tests.factories import NOW, MappingFactory, SystemRefFactory, TicketSystemFactory

pytestmark = pytest.mark.django_db


def placements(*contacts: list[int]) -> pa.Table:
    """The refs of each new Contact, its primary first."""
    rows = [(ref, number, ref == refs[0]) for number, refs in enumerate(contacts) for ref in refs]
    return pa.table(
        [
            pa.array(column, kind)
            for column, kind in zip(zip(*rows, strict=True), FIRST_SCHEMA.types, strict=True)
        ],
        schema=FIRST_SCHEMA,
    )


@pytest.mark.req("D-3", "D-4", "D-5", "R-MDB-7", "R-MDB-12")
def test_new_contacts_stand_with_their_refs_primaries_golden_values_and_one_move_each():
    lead = SystemRefFactory(first_name="Ann", email="")
    other = SystemRefFactory(first_name="Anne", email="ann@x.org", date_of_birth=dt.date(1980, 2, 29))
    alone = SystemRefFactory(last_name="Null", company='Smith, "Sons"\n& Co \\. £')

    waiting = write_first_placements(placements([lead.pk, other.pk], [alone.pk]), run=None, now=NOW)

    first, second = Contact.objects.order_by("pk")
    assert waiting == set()
    assert mapping() == {lead.pk: (first.pk, True), other.pk: (first.pk, False), alone.pk: (second.pk, True)}
    assert (first.first_name, first.email, first.date_of_birth) == ("Ann", "ann@x.org", dt.date(1980, 2, 29))
    assert (second.last_name, second.company, second.date_of_birth) == ("Null", alone.company, None)
    assert (first.since, Mapping.objects.get(pk=lead.pk).since) == (NOW, NOW)
    moves = Move.objects.values_list("system_ref", "from_group", "was_primary", "cause", "pins", "at")
    assert set(moves.values_list("system_ref", flat=True)) == {lead.pk, other.pk, alone.pk}
    assert {tuple(map(str, move[1:])) for move in moves} == {("None", "False", "placed", "[]", str(NOW))}
    assert replayed() == mapping()
    assert broken() == []


def test_a_contact_waits_whole_when_one_of_its_refs_was_placed_or_has_gone_since():
    one, placed, two, gone, three = (SystemRefFactory() for _ in range(5))
    planned = placements([one.pk, placed.pk], [two.pk, gone.pk], [three.pk])
    home = MappingFactory(system_ref=placed).contact_id
    gone_id = gone.pk
    gone.delete()

    waiting = write_first_placements(planned, run=None, now=NOW)

    assert waiting == {one.pk, placed.pk, two.pk, gone_id}
    assert set(mapping()) == {placed.pk, three.pk}
    assert Contact.objects.exclude(pk=home).count() == 1


def test_nothing_is_written_when_all_have_to_wait():
    ref = MappingFactory().system_ref_id

    assert write_first_placements(placements([ref]), run=None, now=NOW) == {ref}
    assert (Contact.objects.count(), Move.objects.count()) == (1, 0)


@pytest.mark.req("D-22")
def test_new_contacts_are_noted_for_a_connected_crm():
    Organisation.objects.update_or_create(defaults={"is_crm_connected": True})

    write_first_placements(placements([SystemRefFactory().pk], [SystemRefFactory().pk]), run=None, now=NOW)

    noted = QueueObject.objects.order_by("record_id").values_list("record_id", flat=True)
    assert list(noted) == list(Contact.objects.order_by("pk").values_list("pk", flat=True))


details = st.fixed_dictionaries(
    {
        "first_name": st.sampled_from(["", "Ann", "null"]),
        "email": st.sampled_from(["", "a@x.org", "b@x.org"]),
        "city": st.sampled_from(["", "Leeds"]),
        "postcode": st.sampled_from(["", "LS1 1AA"]),
        "date_of_birth": st.sampled_from([None, dt.date(1980, 2, 29)]),
        "updated_at": st.sampled_from([None, NOW, NOW + dt.timedelta(microseconds=1)]),
    }
)


@pytest.mark.slow
@pytest.mark.req("R-MDB-12", "D-7", "D-8")
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(contacts=st.lists(st.lists(details, min_size=1, max_size=3), min_size=1, max_size=4), wrong=st.data())
def test_what_is_stored_at_once_is_what_golden_of_gives_and_the_check_finds_just_what_differs(
    contacts, wrong
):
    try:
        with transaction.atomic():
            store_and_check(contacts, wrong)
            raise Undone
    except Undone:
        pass


def test_a_stale_contact_of_one_ref_without_a_lead_is_found_once_among_those_of_several():
    one, two, three, four, five = (SystemRefFactory().pk for _ in range(5))
    write_first_placements(placements([one, two], [three], [four, five]), run=None, now=NOW)
    Mapping.objects.filter(pk=three).update(is_primary=False)
    alone = Mapping.objects.get(pk=three).contact_id
    Contact.objects.filter(pk=alone).update(language="cy")

    assert list(stale_golden()) == [alone]


def store_and_check(contacts, wrong):
    system = TicketSystemFactory()
    refs = [[SystemRefFactory(system=system, **values).pk for values in rows] for rows in contacts]

    write_first_placements(placements(*refs), run=None, now=NOW)

    for contact in Contact.objects.all():
        mappings = Mapping.objects.filter(contact=contact).select_related("system_ref__system")
        golden = golden_of(list(mappings), [])
        stored = {name: getattr(contact, name) for name in DETAIL_FIELDS if getattr(contact, name)}
        assert stored == {name: value.value for name, value in golden.items()}
    assert list(stale_golden()) == []
    edited = wrong.draw(st.sets(st.sampled_from(list(Contact.objects.values_list("pk", flat=True)))))
    Contact.objects.filter(pk__in=edited).update(language="cy")
    assert sorted(stale_golden()) == sorted(edited)
    leaderless = Mapping.objects.filter(contact__in=edited)
    leaderless.update(is_primary=False)
    assert sorted(stale_golden()) == sorted(edited)
    assert SystemRef.objects.unplaced().count() == 0

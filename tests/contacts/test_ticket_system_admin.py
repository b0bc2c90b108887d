"""Ticket systems and business units in the admin: made by services, seen by right, kept while in use."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from contacts.models import BusinessUnit, TicketSystem
from contacts.permissions import ADMINISTRATORS, DATA_PROTECTION_OFFICERS, SystemRight, grant, holds
from contacts.services.systems import add_business_unit, add_ticket_system
from contacts.system_rights import right_holders
from kore_site.roles import CRM_MANAGERS, SALES_REPS

from ..factories import BusinessUnitFactory, SystemRefFactory, TicketSystemFactory, UserFactory

pytestmark = pytest.mark.django_db

LIST = reverse("admin:contacts_ticketsystem_changelist")
ADD = reverse("admin:contacts_ticketsystem_add")


def page_of(system: TicketSystem) -> str:
    return reverse("admin:contacts_ticketsystem_change", args=[system.pk])


def filled(unit: BusinessUnit, **values: object) -> dict[str, object]:
    return {
        "code": "MLB",
        "name": "Box office",
        "kind": "ticketing",
        "business_unit": unit.pk,
        "rank": 10,
        "ref_label": "Fan ID",
        "is_matched_across": "on",
        **values,
    }


def test_adding_a_system_gives_administrators_and_officers_their_rights_on_it(client):
    client.force_login(UserFactory(role=CRM_MANAGERS))
    officer = UserFactory(role=DATA_PROTECTION_OFFICERS)

    client.post(ADD, filled(BusinessUnitFactory()))

    system = TicketSystem.objects.get(code="MLB")
    assert (system.name, system.rank, system.ref_label, system.is_isolated) == (
        "Box office",
        10,
        "Fan ID",
        False,
    )
    assert holds(officer, SystemRight.CHANGE, system)


def test_who_makes_a_system_without_a_right_to_it_is_told_who_can_give_one(client):
    client.force_login(UserFactory(role=CRM_MANAGERS))
    UserFactory(is_superuser=True, username="root")

    page = client.post(ADD, filled(BusinessUnitFactory()), follow=True)

    assert "You do not see the records of MLB yet: nobody grants themselves. Ask: root." in page.text


def test_who_sees_the_system_they_make_is_told_nothing(client):
    client.force_login(UserFactory(is_superuser=True))

    page = client.post(ADD, filled(BusinessUnitFactory()), follow=True)

    assert "You do not see" not in page.text


@pytest.mark.parametrize(
    "wrong", [{"code": "no blanks"}, {"code": ""}, {"code": "TAKEN"}, {"kind": "hand"}, {"rank": "-1"}]
)
def test_a_system_that_cannot_be_made_is_explained_beside_its_field(client, wrong):
    TicketSystemFactory(code="TAKEN")
    client.force_login(UserFactory(role=CRM_MANAGERS))

    page = client.post(ADD, filled(BusinessUnitFactory(), **wrong))

    assert list(page.context["adminform"].form.errors) == list(wrong)


def test_a_systems_code_and_kind_stay_when_somebody_posts_others(client):
    system = TicketSystemFactory(code="MLB")
    client.force_login(UserFactory(role=CRM_MANAGERS))

    client.post(page_of(system), filled(system.business_unit, code="NEW", kind="file", name="Renamed"))

    system.refresh_from_db()
    assert (system.code, system.kind, system.name) == ("MLB", "ticketing", "Renamed")


def test_switching_matching_off_says_that_the_night_brings_it_about(client):
    system = TicketSystemFactory(code="MLB")
    client.force_login(UserFactory(role=CRM_MANAGERS))
    given = filled(system.business_unit, rank=system.rank)
    del given["is_matched_across"]

    page = client.post(page_of(system), given, follow=True)

    assert "it takes effect in the next night" in page.text
    system.refresh_from_db()
    assert not system.is_matched_across


@pytest.mark.req("R-MDB-16")
def test_a_rep_sees_the_systems_granted_and_every_other_is_absent(client):
    ours, theirs = TicketSystemFactory(code="OURS"), TicketSystemFactory(code="THEIRS")
    rep = UserFactory(role=SALES_REPS)
    grant(rep, SystemRight.VIEW, on=ours)
    client.force_login(rep)

    listed = client.get(LIST).text

    assert "OURS" in listed
    assert "THEIRS" not in listed
    assert client.get(page_of(ours)).status_code == 200
    assert "Who may see or change" not in client.get(page_of(ours)).text
    hidden, absent = client.get(page_of(theirs)), client.get(page_of(theirs).replace(str(theirs.pk), "4711"))
    assert (hidden.status_code, absent.status_code) == (404, 404)
    assert hidden.text == absent.text


@pytest.mark.req("R-MDB-16")
def test_a_rep_changes_and_adds_no_system(client):
    system = TicketSystemFactory()
    rep = UserFactory(role=SALES_REPS)
    for right in SystemRight:
        grant(rep, right, on=system)
    client.force_login(rep)

    assert client.post(page_of(system), filled(system.business_unit)).status_code == 403
    assert client.post(ADD, filled(system.business_unit)).status_code == 403
    assert client.get(reverse("admin:contacts_ticketsystem_delete", args=[system.pk])).status_code == 403


@pytest.mark.req("R-MDB-22")
def test_those_who_steer_see_every_system_but_count_only_records_they_may_see(client):
    ours, theirs = TicketSystemFactory(code="OURS"), TicketSystemFactory(code="THEIRS")
    SystemRefFactory.create_batch(2, system=ours)
    SystemRefFactory.create_batch(3, system=theirs)
    manager = UserFactory(role=CRM_MANAGERS)
    grant(manager, SystemRight.VIEW, on=ours)
    client.force_login(manager)

    rows = client.get(LIST).context["cl"].result_list

    assert {row.code: row.ref_count for row in rows} == {"OURS": 2, "THEIRS": None}


def test_the_list_of_systems_takes_the_same_queries_for_one_and_for_three(client):
    client.force_login(UserFactory(role=ADMINISTRATORS))
    client.get(LIST)

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            client.get(LIST)
        return len(captured)

    add_ticket_system("ONE", name="One", unit=BusinessUnitFactory())
    for_one = queries()
    for code in ("TWO", "THREE"):
        SystemRefFactory(system=add_ticket_system(code, name=code, unit=BusinessUnitFactory()))

    assert queries() == for_one


@pytest.mark.req("R-MDB-30")
def test_the_panel_names_who_holds_each_right_and_through_what():
    system = add_ticket_system("MLB", name="Box office", unit=BusinessUnitFactory())
    officer = UserFactory(username="a officer", role=DATA_PROTECTION_OFFICERS)
    rep = UserFactory(username="b rep")
    changer = UserFactory(username="c changer")
    superuser = UserFactory(username="d superuser", is_superuser=True)
    gone = UserFactory(username="e gone", is_active=False)
    for user in (rep, gone, officer):
        grant(user, SystemRight.VIEW, on=system)
    grant(changer, SystemRight.CHANGE, on=system)
    TicketSystemFactory()  # another system's rights do not show here

    holders = [(h.user, h.sees_by, h.changes_by, h.may_change) for h in right_holders(system)]

    assert holders == [
        (officer, ["own", DATA_PROTECTION_OFFICERS], [DATA_PROTECTION_OFFICERS], True),
        (rep, ["own"], [], False),
        (changer, [], ["own"], False),
        (superuser, ["superuser"], ["superuser"], True),
    ]


@pytest.mark.parametrize("holders", [1, 3])
def test_the_panel_takes_four_queries_whatever_the_people(holders, django_assert_num_queries):
    system = TicketSystemFactory()
    for user in UserFactory.create_batch(holders):
        grant(user, SystemRight.VIEW, on=system)
    grant(UserFactory(role=SALES_REPS).groups.get(), SystemRight.VIEW, on=system)

    with django_assert_num_queries(4):
        assert len(right_holders(system)) == holders + 1


def test_a_system_is_deleted_only_when_it_is_empty(client):
    client.force_login(UserFactory(is_superuser=True))
    full, empty = SystemRefFactory().system, TicketSystemFactory()
    hand = add_business_unit("north").ticket_systems.get()

    for kept in (full, hand):
        answer = client.post(
            reverse("admin:contacts_ticketsystem_delete", args=[kept.pk]), {"post": "yes"}, follow=True
        )
        assert kept.code in answer.text
    client.post(reverse("admin:contacts_ticketsystem_delete", args=[empty.pk]), {"post": "yes"})

    assert set(TicketSystem.objects.all()) == {full, hand}


def test_adding_a_business_unit_makes_its_hand_entry_system(client):
    client.force_login(UserFactory(role=CRM_MANAGERS))

    client.post(reverse("admin:contacts_businessunit_add"), {"code": "north", "name": "Northside"})

    assert [(s.code, s.kind) for s in BusinessUnit.objects.get().ticket_systems.all()] == [
        ("HAND-NORTH", "hand")
    ]


def test_who_makes_a_business_unit_is_told_who_can_give_its_hand_entry(client):
    client.force_login(UserFactory(role=CRM_MANAGERS))
    address = reverse("admin:contacts_businessunit_add")

    page = client.post(address, {"code": "north", "name": "Northside"}, follow=True)

    assert "You do not see the records of HAND-NORTH yet" in page.text


def test_a_business_unit_whose_hand_entry_system_would_clash_is_refused_beside_the_field(client):
    add_business_unit("north")
    client.force_login(UserFactory(role=CRM_MANAGERS))

    page = client.post(reverse("admin:contacts_businessunit_add"), {"code": "North", "name": "Northside"})

    assert list(page.context["adminform"].form.errors) == ["code"]
    assert BusinessUnit.objects.count() == 1


@pytest.mark.req("R-MDB-16")
def test_a_rep_sees_the_business_units_of_their_systems_alone(client):
    ours, theirs = TicketSystemFactory(), TicketSystemFactory()
    same_unit = TicketSystemFactory(code="HIDDEN", business_unit=ours.business_unit)
    rep = UserFactory(role=SALES_REPS)
    grant(rep, SystemRight.VIEW, on=ours)
    client.force_login(rep)

    page = client.get(reverse("admin:contacts_businessunit_changelist"))

    assert list(page.context["cl"].result_list) == [ours.business_unit]
    assert same_unit.code not in page.text
    address = reverse("admin:contacts_businessunit_change", args=[theirs.business_unit.pk])
    assert client.get(address).status_code == 404

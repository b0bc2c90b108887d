"""CRM fields: who looks after a person, their segment and details, edited where nothing locks them."""

import datetime as dt
import threading

import pytest
from django.contrib.auth.models import User
from django.db import connection

from contacts.models import (
    Contact,
    CrmDetails,
    FieldChange,
    GoldenPin,
    GoneRef,
    GroupDecision,
    Mapping,
    Move,
    Organisation,
    SystemRef,
    TicketSystem,
)
from contacts.permissions import SystemRight, grant
from contacts.services.check_invariants import check_invariants
from contacts.services.corrections import CannotCorrect, MayNotCorrect, Overtaken, correct
from contacts.services.crm_fields import FieldsLocked, crm_lock, crm_values, edit_crm_fields
from contacts.services.departures import Departure, mark_gone
from contacts.services.exports import contact_lines
from contacts.services.golden import refresh_golden
from contacts.services.golden_check import stale_golden
from contacts.services.regroup import regroup
from contacts.services.systems import add_business_unit
from contacts.services.typed_values import Wrong
from kore_site.roles import SALES_REPS

from ..factories import NOW, MappingFactory, SystemRefFactory, TicketSystemFactory, UserFactory

pytestmark = pytest.mark.django_db

LATER = NOW + dt.timedelta(hours=1)


@pytest.fixture
def north():
    return add_business_unit("north")


@pytest.fixture
def box_office(north):
    return TicketSystemFactory(code="BOX", business_unit=north)


@pytest.fixture
def rep(box_office, north):
    """Somebody who may see and change the box office's records and those of the unit's hand entry."""
    return rep_of(box_office, north.ticket_systems.get(kind="hand"))


def rep_of(*systems) -> User:
    user = UserFactory(role=SALES_REPS)
    for system in systems:
        for right in SystemRight:
            grant(user, right, on=system)
    return user


def person(system, **details) -> Contact:
    ref = SystemRefFactory(system=system, **details)
    contact = MappingFactory(system_ref=ref).contact
    refresh_golden([contact.pk], now=NOW)
    contact.refresh_from_db()
    return contact


def another_of(contact, system, **details) -> SystemRef:
    ref = SystemRefFactory(system=system, **details)
    MappingFactory(system_ref=ref, contact=contact, is_primary=False)
    refresh_golden([contact.pk], now=NOW)
    return ref


def edit(contact, unit, by, *, seen=None, now=NOW, **values):
    return edit_crm_fields(contact, values, unit=unit, seen=seen, by=User.objects.get(pk=by.pk), now=now)


def as_seen_by(user, contact) -> dict:
    [line] = contact_lines(Contact.objects.filter(pk=contact.pk), user=User.objects.get(pk=user.pk))
    return line.values


def hand_ref(contact, unit) -> SystemRef:
    return SystemRef.objects.get(mapping__contact=contact, system__kind="hand", system__business_unit=unit)


@pytest.mark.req("R-MDB-25")
def test_without_isolation_a_phone_number_is_edited_and_leads_with_history_pin_and_place(
    box_office, north, rep
):
    contact = person(box_office, first_name="Ann", phone="020 7946 0001")

    edited = edit(contact, north, rep, seen={"phone": "020 7946 0001"}, phone=" 020 7946 0002 ")

    ref = hand_ref(contact, north)
    contact.refresh_from_db()
    assert (edited.ref, edited.fields) == (ref, ["phone"])
    assert (ref.phone, ref.first_name, contact.phone, contact.first_name) == (
        "020 7946 0002",
        "",
        "020 7946 0002",
        "Ann",
    )
    assert SystemRef.objects.get(system=box_office).phone == "020 7946 0001"
    told = FieldChange.objects.filter(system_ref=ref).order_by("pk")
    assert list(told.values_list("field", "after", "origin", "actor")) == [
        ("", "", "hand", rep.pk),
        ("phone", "020 7946 0002", "hand", rep.pk),
    ]
    assert GoldenPin.objects.values_list("field", "system_ref", "origin", "by").get() == (
        "phone", ref.pk, "person", rep.pk,
    )  # fmt: skip
    move = Move.objects.get(system_ref=ref)
    assert (move.cause, move.from_group, move.to_group, move.by) == ("hand_entry", None, contact.pk, rep)
    decision = GroupDecision.objects.get()
    assert (decision.kind, decision.author, decision.reason) == ("must", rep, "CRM fields entered by hand")


def test_owner_and_segment_stand_beside_the_units_hand_entry_with_their_history(box_office, north, rep):
    contact = person(box_office, last_name="Marlow")
    kim = UserFactory(first_name="Kim", last_name="Okafor")

    edit(contact, north, rep, owner=kim, segment=" Gold ")
    edit(contact, north, rep, owner=None, now=LATER)

    details = CrmDetails.objects.get()
    assert (details.system_ref, details.owner, details.segment, details.at) == (
        hand_ref(contact, north), None, "Gold", LATER,
    )  # fmt: skip
    told = FieldChange.objects.exclude(field="").order_by("pk")
    assert list(told.values_list("field", "before", "after")) == [
        ("owner", "", "Kim Okafor"),
        ("segment", "", "Gold"),
        ("owner", "Kim Okafor", ""),
    ]
    assert not GoldenPin.objects.exists()


def test_doing_it_again_changes_nothing(box_office, north, rep):
    contact = person(box_office, last_name="Marlow")
    values = {"email": "ann@example.org", "segment": "Gold", "owner": rep}
    edit(contact, north, rep, **values)
    before = [list(model.objects.values()) for model in (FieldChange, GoldenPin, GroupDecision, Mapping)]

    again = edit(contact, north, rep, now=LATER, **values)

    assert (again.ref, again.fields) == (None, ())
    assert [
        list(model.objects.values()) for model in (FieldChange, GoldenPin, GroupDecision, Mapping)
    ] == before


def test_the_address_is_one_block_also_when_one_line_of_it_is_edited(box_office, north, rep):
    contact = person(box_office, address1="1 Quay St", city="Leeds", postcode="LS1 4AB", country="GB")

    edit(contact, north, rep, address1="2 Quay St")

    ref, contact = hand_ref(contact, north), Contact.objects.get()
    assert (ref.address1, ref.city, ref.postcode, ref.country) == ("2 Quay St", "Leeds", "LS1 4AB", "GB")
    assert (contact.address1, contact.city) == ("2 Quay St", "Leeds")
    assert list(GoldenPin.objects.values_list("field", flat=True)) == ["address"]


def test_a_field_that_somebody_changed_meanwhile_is_told_with_both_values_and_nothing_is_written(
    box_office, north, rep
):
    contact = person(box_office, first_name="Ann", city="Leeds")
    seen = {"first_name": "Ann", "city": "Leeds", "segment": "", "owner": ""}
    edit(contact, north, rep, city="York", segment="Gold")
    count = FieldChange.objects.count()

    with pytest.raises(Overtaken) as refusal:
        edit(contact, north, rep, seen=seen, first_name="Anne", city="Hull", segment="Silver", owner=None)

    assert refusal.value.theirs == {"city": "York", "segment": "Gold"}
    assert FieldChange.objects.count() == count


def test_a_field_left_as_it_was_seen_keeps_what_somebody_else_wrote(box_office, north, rep):
    contact = person(box_office, first_name="Ann", email="old@example.org")
    seen = {"first_name": "Ann", "email": "old@example.org"}
    edit(contact, north, rep, email="new@example.org")

    edit(contact, north, rep, seen=seen, first_name="Anne", email="old@example.org")

    contact.refresh_from_db()
    assert (contact.first_name, contact.email) == ("Anne", "new@example.org")


def test_a_blank_takes_back_what_hand_entry_said_and_cannot_outdo_an_account(box_office, north, rep):
    contact = person(box_office, system_ref="77", email="account@example.org")
    edit(contact, north, rep, email="hand@example.org", mobile="07700 900001")

    edit(contact, north, rep, email="", mobile="")
    with pytest.raises(Wrong) as wrong:
        edit(contact, north, rep, email="")

    contact.refresh_from_db()
    assert (contact.email, contact.mobile) == ("account@example.org", "")
    assert not GoldenPin.objects.exists()
    assert wrong.value.errors == {
        "email": "BOX 77 says this, and a blank here does not take it back: change it there."
    }


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"email": "ann"}, "email"),
        ({"phone": "12"}, "phone"),
        ({"country": "Nowhere"}, "country"),
        ({"date_of_birth": "2999-01-01"}, "date_of_birth"),
        ({"segment": "x" * 61}, "segment"),
        ({"segment": "Go\x00ld"}, "segment"),
    ],
)
def test_what_cannot_be_is_refused_by_its_field_and_nothing_is_written(box_office, north, rep, values, field):
    contact = person(box_office, last_name="Marlow")

    with pytest.raises(Wrong) as wrong:
        edit(contact, north, rep, last_name="Marlowe", **values)

    assert list(wrong.value.errors) == [field]
    assert not SystemRef.objects.filter(system__kind="hand").exists()


def test_nobody_who_left_becomes_an_owner(box_office, north, rep):
    contact = person(box_office, last_name="Marlow")

    with pytest.raises(Wrong):
        edit(contact, north, rep, owner=UserFactory(is_active=False))


def test_a_number_of_somebody_abroad_is_kept_so_that_anyone_can_dial_it(box_office, north, rep):
    contact = person(box_office, country="FR", city="Rouen")

    edit(contact, north, rep, mobile="06 12 34 56 78")

    assert hand_ref(contact, north).mobile == "+33 6 12 34 56 78"


def test_where_every_account_is_gone_at_its_source_the_hand_entry_leads(box_office, north, rep):
    contact = person(box_office, first_name="Ann")
    account = SystemRef.objects.get(system=box_office)
    mark_gone([Departure(account.pk, GoneRef.Reason.MISSING)], now=NOW)

    edit(contact, north, rep, segment="VIP")

    leader = Mapping.objects.get(contact=contact, is_primary=True)
    assert leader.system_ref == hand_ref(contact, north)
    assert "no primary is gone at its source while another System Ref of its Contact stands" in {
        verdict.name for verdict in check_invariants() if not verdict.broken
    }
    assert as_seen_by(rep, contact)["first_name"] == "Ann"
    assert list(stale_golden()) == []


@pytest.mark.req("R-MDB-23")
def test_while_a_system_is_isolated_nobody_edits_not_even_a_superuser(box_office, north, rep):
    contact = person(box_office, phone="020 7946 0001")
    TicketSystemFactory(is_isolated=True)

    for by in (rep, UserFactory(is_superuser=True)):
        with pytest.raises(FieldsLocked):
            edit(contact, north, by, phone="020 7946 0002", segment="Gold")

    contact.refresh_from_db()
    assert contact.phone == "020 7946 0001"
    assert not CrmDetails.objects.exists()


@pytest.mark.req("R-MDB-24")
def test_the_lock_is_on_by_default_with_isolation_and_a_manager_lifts_it(box_office, north, rep):
    contact = person(box_office, phone="020 7946 0001")
    open_before = crm_lock(Organisation.load())
    TicketSystemFactory(is_isolated=True)
    locked = crm_lock(Organisation.load())

    Organisation.objects.update(locks_crm_fields=False)
    edit(contact, north, rep, phone="020 7946 0002")

    assert (open_before, bool(locked), crm_lock(Organisation.load())) == ("", True, "")
    contact.refresh_from_db()
    assert contact.phone == "020 7946 0002"


@pytest.mark.req("R-MDB-17", "R-MDB-28")
@pytest.mark.parametrize("rights", [(), (SystemRight.VIEW,), (SystemRight.CHANGE,)])
def test_without_the_right_to_change_the_units_hand_entry_nothing_is(box_office, north, rights):
    contact = person(box_office, phone="020 7946 0001")
    by = UserFactory(role=SALES_REPS)
    grant(by, SystemRight.VIEW, on=box_office)
    for right in rights:
        grant(by, right, on=north.ticket_systems.get(kind="hand"))

    with pytest.raises(MayNotCorrect):
        edit(contact, north, by, phone="020 7946 0002")

    assert not SystemRef.objects.filter(system__kind="hand").exists()


def test_who_may_change_records_but_no_contacts_changes_none(box_office, north):
    by = UserFactory()
    for system in (box_office, north.ticket_systems.get(kind="hand")):
        for right in SystemRight:
            grant(by, right, on=system)

    with pytest.raises(MayNotCorrect):
        edit(person(box_office), north, by, segment="Gold")


def test_a_contact_that_the_user_may_not_see_is_not_there(box_office, north):
    by = rep_of(north.ticket_systems.get(kind="hand"))

    with pytest.raises(CannotCorrect, match="not here any more"):
        edit(person(box_office), north, by, segment="Gold")


@pytest.mark.req("R-MDB-33", "R-MDB-16")
def test_each_unit_sees_its_own_owner_segment_and_edits_and_whoever_sees_all_the_newest(
    box_office, north, rep
):
    south = add_business_unit("south")
    gate = TicketSystemFactory(code="GATE", business_unit=south)
    contact = person(box_office, phone="020 7946 0001")
    another_of(contact, gate, phone="020 7946 0009")
    other = rep_of(gate, south.ticket_systems.get(kind="hand"))

    edit(contact, north, rep, phone="020 7946 0002", segment="Gold", owner=rep)
    between = as_seen_by(other, contact)
    edit(contact, south, other, phone="020 7946 0003", segment="Silver", owner=other, now=LATER)

    assert between["phone"] == "020 7946 0009"
    assert as_seen_by(rep, contact)["phone"] == "020 7946 0002"
    assert as_seen_by(other, contact)["phone"] == "020 7946 0003"
    assert Contact.objects.get(pk=contact.pk).phone == "020 7946 0003"
    told = {user: crm_of(contact, user) for user in (rep, other, UserFactory(is_superuser=True))}
    assert [(crm.owner, crm.segment) for crm in told.values()] == [
        (rep, "Gold"), (other, "Silver"), (other, "Silver"),
    ]  # fmt: skip
    assert list(stale_golden()) == []
    # Each unit's entry is bound to what that unit sees, so that "why together" tells of no hidden record.
    for user, unit in ((rep, north), (other, south)):
        assert GroupDecision.objects.visible_to(User.objects.get(pk=user.pk)).count() == 1, unit


def crm_of(contact, user):
    [loaded] = Contact.objects.filter(pk=contact.pk).with_visible_refs(User.objects.get(pk=user.pk))
    return crm_values(loaded.visible_mappings)


def test_what_a_crm_says_goes_before_hand_entry(box_office, north, rep):
    contact = person(box_office)
    crm = another_of(contact, TicketSystemFactory(kind=TicketSystem.Kind.CRM))
    CrmDetails.objects.create(system_ref=crm, segment="Platinum", at=NOW)

    edit(contact, north, rep, segment="Gold", owner=rep, now=LATER)

    everyone = UserFactory(is_superuser=True)
    told = crm_of(contact, everyone)
    assert (told.segment, told.segment_ref, told.owner) == ("Platinum", crm, rep)
    with pytest.raises(Wrong, match="change it there"):
        edit(contact, north, everyone, segment="Silver")


@pytest.mark.req("R-MDB-34")
def test_what_somebody_enters_for_a_unit_is_bound_to_what_that_units_people_see(box_office, north, rep):
    contact = person(TicketSystemFactory(code="GATE"), first_name="Ann")  # another unit's leads
    ours = another_of(contact, box_office)

    edit(contact, north, UserFactory(is_superuser=True), segment="Gold")
    edit(contact, north, rep, segment="Silver")

    decision = GroupDecision.objects.visible_to(User.objects.get(pk=rep.pk)).get()
    assert {decision.left, decision.right} == {ours, hand_ref(contact, north)}
    assert GroupDecision.objects.count() == 1


def test_a_record_that_is_never_joined_with_other_systems_gets_no_hand_entry(north, rep):
    apart = TicketSystemFactory(business_unit=north, is_matched_across=False)
    for right in SystemRight:
        grant(rep, right, on=apart)

    with pytest.raises(CannotCorrect, match="never joined"):
        edit(person(apart), north, rep, segment="Gold")

    assert not SystemRef.objects.filter(system__kind="hand").exists()


@pytest.mark.slow
def test_no_night_parts_the_values_from_the_person_whatever_they_say(box_office, north, rep):
    alike = {"first_name": "Ann", "last_name": "Marlow", "email": "ann@example.org"}
    for number in range(3):
        SystemRefFactory(system=box_office, date_of_birth="1980-05-01" if number else None, **alike)
    entered = SystemRefFactory(system=north.ticket_systems.get(kind="hand"), **alike)
    bo = SystemRefFactory(system=box_office, first_name="Bo", last_name="Reyes")
    regroup(now=NOW, full=True)
    ann = Contact.objects.get(mappings=entered.pk)
    members = set(ann.mappings.values_list("pk", flat=True))

    edit(ann, north, rep, email="zoe@example.com", last_name="Quill", date_of_birth="1951-11-30", now=LATER)
    edit(Contact.objects.get(mappings=bo.pk), north, rep, segment="Gold", owner=rep, now=LATER)
    for full in (False, True, False):
        regroup(now=LATER + dt.timedelta(days=1), full=full)

    assert set(Mapping.objects.filter(contact=ann).values_list("pk", flat=True)) == members
    ann.refresh_from_db()
    assert (ann.email, ann.last_name, str(ann.date_of_birth)) == ("zoe@example.com", "Quill", "1951-11-30")
    kept = CrmDetails.objects.get()
    assert kept.system_ref.mapping.contact_id == bo.mapping.contact_id
    assert (kept.segment, Contact.objects.count()) == ("Gold", 2)
    assert list(stale_golden()) == []


@pytest.mark.postgres
@pytest.mark.skipif(connection.vendor == "sqlite", reason="two connections to a memory do not wait")
@pytest.mark.django_db(transaction=True)
def test_people_who_edit_one_contact_at_once_take_turns_and_lose_nothing():
    north, south = add_business_unit("north"), add_business_unit("south")
    contact = person(TicketSystemFactory(code="BOX", business_unit=north), first_name="Ann")
    boss = UserFactory(is_superuser=True)
    failures = []

    def caller(unit, name, value):
        try:
            for turn in range(5):
                edited = edit(contact, unit, boss, **{name: f"{value}{turn}"})
                correct(edited.ref, {"title": f"{value}{turn}"}, seen=None, by=boss, now=NOW)
        except Exception as error:  # shown by the assertion below
            failures.append(error)
        finally:
            connection.close()

    wanted = [
        (north, "last_name", "Marlow"),
        (north, "city", "Leeds"),
        (south, "segment", "Gold"),
        (south, "company", "Ltd"),
    ]
    callers = [threading.Thread(target=caller, args=one) for one in wanted]
    for one in callers:
        one.start()
    for one in callers:
        one.join()

    assert failures == []
    assert SystemRef.objects.filter(system__kind="hand").count() == 2
    contact.refresh_from_db()
    assert (contact.last_name, contact.city, contact.company) == ("Marlow4", "Leeds4", "Ltd4")
    assert CrmDetails.objects.get().segment == "Gold4"
    assert list(stale_golden()) == []

"""Grouping, ungrouping and splitting by hand: asked for by day, done by the night, kept apart as wished."""

import datetime as dt

import pytest
from django.contrib.auth.models import Permission

from contacts.models import (
    Contact,
    GroupAlias,
    GroupDecision,
    GroupRequest,
    HeldLine,
    Mapping,
    Move,
    SystemRef,
    TicketSystem,
)
from contacts.permissions import SystemRight, grant
from contacts.services.check_invariants import check_invariants
from contacts.services.decisions import decide
from contacts.services.golden import refresh_golden
from contacts.services.group_requests import (
    CannotRequest,
    MayNotRequest,
    file_grouping,
    file_split,
    file_ungrouping,
    hold_request,
    release_request,
    withdraw_request,
)
from contacts.services.group_requests_applied import apply_requests, process_now
from contacts.services.held_lines import hold, let_go
from contacts.services.regroup import regroup
from kore_site.roles import CRM_MANAGERS, SALES_REPS
from tests.factories import NOW, MappingFactory, SystemRefFactory, TicketSystemFactory, UserFactory
from ticketing.models import Purchase

from ..factories import PurchaseFactory

pytestmark = pytest.mark.django_db

NIGHT = dt.timedelta(days=1)


@pytest.fixture
def box():
    return TicketSystemFactory(code="BOX")


@pytest.fixture
def manager(box):
    user = UserFactory(username="jdiaz", role=CRM_MANAGERS)
    grant(user, SystemRight.VIEW, on=box)
    return user


def person(system, *refs: str, **details) -> Contact:
    """A Contact over refs of these numbers, the first leading."""
    contact = Contact.objects.create(since=NOW)
    for place, number in enumerate(refs):
        ref = SystemRefFactory(system=system, system_ref=number, **details)
        put(ref, contact, is_primary=place == 0)
    refresh_golden([contact.pk], now=NOW)
    return contact


def put(ref: SystemRef, contact: Contact, *, is_primary: bool = False) -> None:
    """The ref stands in the Contact, and its moves say so."""
    MappingFactory(system_ref=ref, contact=contact, is_primary=is_primary)
    Move.objects.create(
        system_ref=ref,
        to_group=contact.pk,
        was_primary=False,
        is_primary=is_primary,
        cause=Move.Cause.PLACED,
        at=NOW,
    )


def ref(number: str) -> SystemRef:
    return SystemRef.objects.get(system_ref=number)


def group_of(number: str) -> int:
    return Mapping.objects.get(system_ref__system_ref=number).contact_id


def is_whole() -> bool:
    assert [verdict.name for verdict in check_invariants() if verdict.broken] == []
    return True


def night(nights: int = 1) -> None:
    """The steps of a night that concern groups."""
    apply_requests(NOW + nights * NIGHT)
    regroup(now=NOW + nights * NIGHT)


@pytest.mark.req("R-CM-7", "R-CM-8", "R-CM-12", "R-CM-14", "R-CM-26", "C-17")
def test_children_join_their_master_in_the_night_and_their_numbers_lead_there(box, manager):
    old, master, other = (person(box, number) for number in ("1", "2", "3"))

    request = file_grouping(master, [old, other], by=manager, now=NOW)
    assert request.state == "waiting"
    assert len({group_of(number) for number in "123"}) == 3
    night()

    request.refresh_from_db()
    assert (request.state, request.settled_at) == ("done", NOW + NIGHT)
    assert {group_of(number) for number in "123"} == {master.pk}
    assert Mapping.objects.get(contact=master, is_primary=True).system_ref == ref("2")
    assert set(GroupAlias.objects.values_list("group_id", "contact")) == {
        (old.pk, master.pk),
        (other.pk, master.pk),
    }
    assert set(Move.objects.filter(cause="grouped").values_list("by", flat=True)) == {manager.pk}
    assert is_whole()
    night(2)
    assert {group_of(number) for number in "123"} == {master.pk}


@pytest.mark.req("R-CM-9", "R-CM-10")
def test_the_details_come_from_the_master_and_a_child_fills_what_it_lacks(box, manager):
    master = person(box, "1", first_name="Ann", email="")
    second = SystemRefFactory(system=box, system_ref="2", email="old@example.org", updated_at=NOW - 9 * NIGHT)
    put(second, master)
    child = person(box, "3", first_name="Anne", email="new@example.org", city="Leeds", updated_at=NOW)
    refresh_golden([master.pk], now=NOW)

    file_grouping(master, [child], by=manager, now=NOW)
    apply_requests(NOW)

    master.refresh_from_db()
    assert (master.first_name, master.email, master.city) == ("Ann", "old@example.org", "Leeds")


@pytest.mark.req("R-CM-12", "R-CM-15")
def test_a_childs_other_refs_stay_with_it_although_dates_of_birth_speak_against_it(box, manager):
    ann = {"last_name": "Marlow", "email": "ann@example.org"}
    master = person(box, "1", "2", first_name="Ann", date_of_birth=dt.date(1980, 5, 17), **ann)
    bo = {"first_name": "Bo", "last_name": "Reyes", "email": "bo@example.org"}
    child = person(box, "3", "4", date_of_birth=dt.date(1999, 1, 30), **bo)
    SystemRef.objects.filter(system_ref="4").update(date_of_birth=None)
    third = person(box, "5", first_name="Bo", last_name="Reyes", email="bo@example.org")
    regroup(now=NOW)
    assert group_of("5") == min(child.pk, third.pk)

    file_grouping(master, [child], by=manager, now=NOW)
    for nights in (1, 2):
        night(nights)
        assert {group_of(number) for number in "12345"} == {master.pk}
    assert is_whole()


@pytest.mark.req("C-8")
@pytest.mark.parametrize(("by_hand", "leads"), [("", "1"), ("2", "2"), ("12", "1")])
def test_the_masters_primary_leads_unless_only_a_childs_was_chosen_by_hand(box, manager, by_hand, leads):
    master, child = person(box, "1"), person(box, "2")
    for number in by_hand:
        Mapping.objects.filter(system_ref=ref(number)).update(primary_by="hand")

    file_grouping(master, [child], by=manager, now=NOW)
    night()
    assert Mapping.objects.get(contact=master, is_primary=True).system_ref == ref(leads)
    assert is_whole()


@pytest.mark.req("R-CM-16")
def test_nonsense_is_refused_with_the_reason(box, manager):
    one, other = person(box, "1"), person(box, "2")
    for children, why in (([one], "its own child"), ([other, other], "named twice"), ([], "at least one")):
        with pytest.raises(CannotRequest, match=why):
            file_grouping(one, children, by=manager, now=NOW)
    with pytest.raises(CannotRequest, match="one System Ref"):
        file_ungrouping(one, by=manager, now=NOW)
    assert GroupRequest.objects.count() == 0


@pytest.mark.req("R-CM-17", "R-CM-18")
def test_a_request_that_clashes_is_refused_until_the_waiting_one_is_withdrawn(box, manager):
    one, other, third = (person(box, number) for number in "123")
    waiting = file_grouping(one, [other], by=manager, now=NOW)

    with pytest.raises(CannotRequest, match=f"Request {waiting.pk} .* is waiting"):
        file_grouping(third, [other], by=manager, now=NOW)
    withdraw_request(waiting, by=manager, now=NOW)
    withdraw_request(waiting, by=manager, now=NOW)
    file_grouping(third, [other], by=manager, now=NOW)
    night()

    assert group_of("1") == one.pk
    assert group_of("2") == third.pk


@pytest.mark.req("R-CM-20", "R-CM-21", "R-CM-25", "R-CM-23", "C-6")
def test_after_an_ungrouping_every_ref_has_a_number_of_its_own_and_keeps_its_purchases(box, manager):
    whole = person(box, "1", "2", "3", first_name="Ann", last_name="Marlow", email="ann@example.org")
    PurchaseFactory(system_ref=ref("3"))
    regroup(now=NOW)

    file_ungrouping(whole, by=manager, now=NOW)
    for nights in (1, 2, 3):
        night(nights)
        assert len({group_of(number) for number in "123"}) == 3
    assert group_of("1") == whole.pk
    assert Purchase.objects.get().system_ref == ref("3")


@pytest.mark.req("R-CM-22", "R-CM-23", "C-6")
def test_refs_that_may_be_grouped_again_stay_apart_for_one_night(box, manager):
    whole = person(box, "1", "2", first_name="Ann", last_name="Marlow", email="ann@example.org")
    regroup(now=NOW)

    file_ungrouping(whole, by=manager, now=NOW, may_regroup=True)
    night(1)
    assert group_of("1") != group_of("2")
    night(1)  # cut off and taken up again, it is the same night
    assert group_of("1") != group_of("2")
    night(2)
    assert group_of("1") == group_of("2") == whole.pk
    assert GroupDecision.objects.standing().count() == 0


@pytest.mark.req("R-CM-20")
def test_a_split_sends_each_part_to_a_contact_of_its_own(box, manager):
    whole = person(box, "1", "2", "3", "4")
    file_split(whole, [[ref("2").pk, ref("3").pk], [ref("4").pk]], by=manager, now=NOW)
    night()

    assert group_of("1") == whole.pk
    assert group_of("2") == group_of("3")
    assert len({group_of(number) for number in "124"}) == 3
    assert is_whole()


def test_a_split_without_anybody_leaving_or_staying_is_refused(box, manager):
    whole, other = person(box, "1", "2"), person(box, "3")
    here = [ref("1").pk, ref("2").pk]
    for parts, why in (
        ([], "Choose"),
        ([[]], "Choose"),
        ([here], "has to stay"),
        ([[here[0]], [here[0]]], "one place"),
        ([[ref("3").pk]], "not of this contact"),
    ):
        with pytest.raises(CannotRequest, match=why):
            file_split(whole, parts, by=manager, now=NOW)
    assert other.mappings.count() == 1


@pytest.mark.req("R-CM-27")
def test_without_the_right_or_with_a_hidden_ref_nothing_can_be_asked_for(box, manager):
    hidden = TicketSystemFactory(code="HID")
    whole, other = person(box, "1"), person(box, "2")
    MappingFactory(
        system_ref=SystemRefFactory(system=hidden, system_ref="9"), contact=whole, is_primary=False
    )
    rep = UserFactory(role=SALES_REPS)
    for system in (box, hidden):
        grant(rep, SystemRight.VIEW, on=system)
    sentences = set()
    for user in (rep, manager):
        with pytest.raises(MayNotRequest) as refusal:
            file_grouping(other, [whole], by=user, now=NOW)
        sentences.add(str(refusal.value))
        with pytest.raises(MayNotRequest):
            file_ungrouping(whole, by=user, now=NOW)
    assert len(sentences) == 1
    assert "HID" not in sentences.pop()


def test_a_rule_that_bars_two_records_has_to_be_lifted_before_they_are_grouped(box, manager):
    whole = person(box, "1", "2")
    file_ungrouping(whole, by=manager, now=NOW)
    night()
    one, other = Contact.objects.order_by("pk")

    with pytest.raises(CannotRequest, match="BOX 1 and BOX 2 never belong together"):
        file_grouping(one, [other], by=manager, now=NOW)


def test_records_of_a_system_that_is_not_matched_across_are_not_grouped_with_others(box, manager):
    shop = TicketSystemFactory(code="SHOP", is_matched_across=True)
    grant(manager, SystemRight.VIEW, on=shop)
    one, other = person(box, "1"), person(shop, "2")
    waiting = file_grouping(one, [other], by=manager, now=NOW)
    TicketSystem.objects.filter(pk=shop.pk).update(is_matched_across=False)

    assert apply_requests(NOW)["requests_failed"] == 1
    waiting.refresh_from_db()
    assert "kept out of matching" in waiting.outcome
    with pytest.raises(CannotRequest, match="SHOP is kept out of matching across systems"):
        file_grouping(one, [other], by=manager, now=NOW)


@pytest.mark.req("R-CM-40")
def test_a_held_request_waits_until_it_is_let_go(box, manager):
    one, other = person(box, "1"), person(box, "2")
    request = hold_request(file_grouping(one, [other], by=manager, now=NOW), by=manager, now=NOW)
    night()
    assert group_of("2") == other.pk
    held = GroupRequest.objects.get()
    assert (held.state, held.held_by, held.held_at) == ("held", manager, NOW)
    released = release_request(request, by=manager, now=NOW)
    assert (released.held_by, released.held_at) == (None, None)
    night(2)
    assert group_of("2") == one.pk
    with pytest.raises(CannotRequest, match="done already"):
        withdraw_request(request, by=manager, now=NOW)


@pytest.mark.req("R-CM-40")
def test_a_request_whose_records_changed_fails_with_the_reason_and_keeps_no_other_back(box, manager):
    one, other, third, fourth = (person(box, number) for number in "1234")
    failing = file_grouping(one, [other], by=manager, now=NOW)
    going = file_grouping(third, [fourth], by=manager, now=NOW)
    Mapping.objects.filter(system_ref=ref("2")).update(contact=one, is_primary=False)
    Contact.objects.filter(pk=other.pk).delete()

    told = apply_requests(NOW + NIGHT)
    assert (told["requests_done"], told["requests_failed"], told["requests_held"]) == (1, 1, 0)
    assert (told["joined"], told["split"]) == (1, 0)
    failing.refresh_from_db()
    going.refresh_from_db()
    assert (failing.state, going.state) == ("failed", "done")
    assert "changed since" in failing.outcome
    assert not any(apply_requests(NOW + NIGHT).values())


def test_what_may_not_wait_is_processed_at_once_by_those_with_the_right(box, manager):
    one, other = person(box, "1"), person(box, "2")
    request = file_grouping(one, [other], by=manager, now=NOW)
    with pytest.raises(MayNotRequest):
        process_now(request, by=manager, now=NOW)
    boss = UserFactory(is_superuser=True)

    assert process_now(request, by=boss, now=NOW).state == "done"
    assert group_of("2") == one.pk
    with pytest.raises(CannotRequest):
        process_now(request, by=boss, now=NOW)


def test_many_requests_take_as_many_queries_as_a_few(box, manager, django_assert_max_num_queries):
    for start in range(0, 40, 2):
        pair = [person(box, str(start)), person(box, str(start + 1))]
        file_grouping(pair[0], pair[1:], by=manager, now=NOW)
    with django_assert_max_num_queries(80):
        apply_requests(NOW)


def test_a_night_is_whole_although_somebody_holds_what_a_decision_would_part(box, manager):
    whole = person(box, "1", "2", first_name="Ann", last_name="Marlow", email="ann@example.org")
    regroup(now=NOW)
    refs = [ref("1").pk, ref("2").pk]
    decide([(refs[0], refs[1])], GroupDecision.Kind.NEVER, by=manager, now=NOW)
    line = hold(refs, kind=HeldLine.Kind.REGROUP, by=manager, now=NOW)

    regroup(now=NOW + NIGHT)
    assert group_of("1") == group_of("2") == whole.pk
    assert is_whole()
    let_go(line, by=manager)
    regroup(now=NOW + 2 * NIGHT)
    assert group_of("1") != group_of("2")
    assert is_whole()


@pytest.mark.req("R-CM-27")
def test_what_came_in_since_is_acted_on_only_for_those_who_may_see_it(box, manager):
    hidden = TicketSystemFactory(code="HID")
    whole = person(box, "1", "2")
    request = file_ungrouping(whole, by=manager, now=NOW)
    put(SystemRefFactory(system=hidden, system_ref="9"), whole)
    manager.user_permissions.add(Permission.objects.get(codename="process_grouprequest"))
    manager = type(manager).objects.get(pk=manager.pk)

    with pytest.raises(MayNotRequest):
        process_now(request, by=manager, now=NOW)
    assert GroupRequest.objects.get().state == "waiting"
    assert apply_requests(NOW)["requests_failed"] == 1
    assert "HID" not in GroupRequest.objects.get().outcome


@pytest.mark.req("R-CM-27")
def test_the_night_does_nothing_for_those_who_lost_the_right_or_their_account(box, manager):
    leaver = UserFactory(role=CRM_MANAGERS)
    grant(leaver, SystemRight.VIEW, on=box)
    asked = [person(box, "1"), person(box, "2"), person(box, "3"), person(box, "4")]
    file_grouping(asked[0], [asked[1]], by=manager, now=NOW)
    file_grouping(asked[2], [asked[3]], by=leaver, now=NOW)
    manager.groups.clear()
    leaver.delete()

    assert apply_requests(NOW)["requests_failed"] == 2
    assert len({group_of(number) for number in "1234"}) == 4

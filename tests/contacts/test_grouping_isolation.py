"""What groupings tell to somebody who may see one system only: nothing of the refs of another."""

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse

from contacts.admin.change_record import change_record
from contacts.group_plan import Member, Part
from contacts.models import (
    Case,
    CaseComment,
    Contact,
    GroupChange,
    GroupRequest,
    HeldLine,
    Mapping,
    ReviewAnswer,
)
from contacts.permissions import SystemRight, grant
from contacts.services.came_back import came_back
from contacts.services.cases import raise_case
from contacts.services.group_requests import (
    file_grouping,
    file_split,
    file_undo,
    file_ungrouping,
    withdraw_request,
)
from contacts.services.group_requests_applied import apply_requests
from contacts.services.held_lines import hold
from contacts.services.regroup_writes import write_changes
from contacts.services.review_answers import answer
from contacts.services.review_pairs import load_pair
from kore_site.roles import CRM_MANAGERS
from sync.admin.plan import TOO_MUCH
from sync.models import NightPlan, PlanLine, PlanLineRef
from sync.plan_lines import read_lines
from tests.factories import NOW, SystemRefFactory, TicketSystemFactory, UserFactory

from .test_group_requests import NIGHT, group_of, person, put, ref

pytestmark = [pytest.mark.django_db, pytest.mark.req("R-MDB-15")]


@pytest.fixture
def ours():
    return TicketSystemFactory(code="AAA")


@pytest.fixture
def theirs():
    return TicketSystemFactory(code="BBB")


def manager_of(name: str, *systems):
    user = UserFactory(username=name, first_name=name.title(), last_name="Diaz", role=CRM_MANAGERS)
    for system in systems:
        grant(user, SystemRight.VIEW, on=system)
    return user


@pytest.fixture
def reader(ours):
    """Manager of one system."""
    return manager_of("reader", ours)


@pytest.fixture
def both(ours, theirs):
    return manager_of("both", ours, theirs)


@pytest.fixture
def page(reader):
    client = Client()
    client.force_login(reader)

    def text(name: str, *args: int, **query: str) -> str:
        answer = client.get(reverse(f"admin:{name}", args=args), query)
        assert answer.status_code == 200
        return answer.content.decode()

    return text


def test_a_case_is_seen_by_those_who_may_see_every_ref_of_the_requests_in_it(ours, theirs, reader, both):
    one, two = person(ours, "a1"), person(theirs, "b1")
    withdraw_request(file_grouping(two, [one], by=both, now=NOW), by=both, now=NOW)

    of_both = raise_case(one, title="odd", text="", by=both, now=NOW)
    own = raise_case(one, title="odd", text="", by=reader, now=NOW)

    assert [told["group_id"] for told in of_both.facts["requests"]] == [two.pk]
    assert own.facts["requests"] == []
    assert list(Case.objects.visible_to(reader)) == [own]


def test_moves_are_told_with_their_change_alone(ours, theirs, reader, both):
    one, two = person(ours, "a1"), person(theirs, "b1")
    file_grouping(two, [one], by=both, now=NOW)
    apply_requests(NOW + NIGHT)
    file_ungrouping(Contact.objects.get(pk=two.pk), by=both, now=NOW + NIGHT)
    apply_requests(NOW + 2 * NIGHT)
    alone = Contact.objects.get(pk=group_of("a1"))

    of_both = raise_case(alone, title="odd", text="", by=both, now=NOW)
    own = raise_case(alone, title="odd", text="", by=reader, now=NOW)

    changes = {change["change"] for change in of_both.facts["changes"]}
    assert {move["change"] for move in of_both.facts["moves"]} == changes
    assert own.facts["moves"] == own.facts["changes"] == []
    assert not Case.objects.visible_to(reader).filter(pk=of_both.pk).exists()


def join_by_rule(*groups: int) -> None:
    """As a night does it: the refs of these come into the first."""
    placed = Mapping.objects.filter(contact__in=groups).order_by("pk")
    members = [Member(one.pk, one.contact_id, one.contact_id, one.is_primary, False) for one in placed]
    leads = next(one.ref_id for one in members if one.is_primary and one.group_id == groups[0])
    with transaction.atomic():
        plan = [[Part(groups[0], members, leads)]]
        write_changes(plan, pairs=(), run=None, now=NOW + 2 * NIGHT, orders={})


def test_of_what_came_back_nothing_is_told_where_more_refs_took_part_than_were_asked_for(
    ours, theirs, reader, both
):
    one = person(ours, "a1", "a2")
    file_ungrouping(one, by=both, now=NOW, may_regroup=True)
    put(SystemRefFactory(system=theirs, system_ref="b1"), one)  # after it was filed
    apply_requests(NOW + NIGHT)
    alone = [group_of(number) for number in ("a1", "a2", "b1")]
    join_by_rule(*alone[:2])
    join_by_rule(alone[0], alone[2])
    one = Contact.objects.get(pk=alone[0])

    of_both, own = (raise_case(one, title="odd", text="", by=user, now=NOW) for user in (both, reader))

    assert came_back(one, user=reader) is None
    assert own.facts["came_back"] is None
    assert of_both.facts["came_back"] is not None
    assert list(Case.objects.visible_to(reader)) == [own]


def test_no_page_names_an_undo_request_with_a_ref_out_of_sight(ours, theirs, reader, both, page):
    one, two = person(ours, "a1"), person(ours, "a2")
    file_grouping(one, [two], by=both, now=NOW)
    apply_requests(NOW + NIGHT)
    change = GroupChange.objects.get()
    addresses = [
        ("contacts_contact_change", one.pk),
        ("contacts_groupchange_changelist",),
        ("contacts_groupchange_change", change.pk),
        ("contacts_groupchange_undo", change.pk),
    ]
    put(SystemRefFactory(system=theirs, system_ref="b1"), one)
    panel = {"panel": "groupings"}

    undo = file_undo(change, by=both, now=NOW + NIGHT)

    assert not GroupRequest.objects.visible_to(reader).filter(pk=undo.pk).exists()
    told = [page(*address) for address in addresses] + [page(*addresses[0], **panel)]
    assert not [text for text in told if f"equest {undo.pk}" in text or f"grouprequest/{undo.pk}/" in text]


def test_a_request_leads_to_no_change_with_a_ref_out_of_sight(ours, theirs, both, page):
    one = person(ours, "a1", "a2")
    asked = file_ungrouping(one, by=both, now=NOW, may_regroup=True)
    put(SystemRefFactory(system=theirs, system_ref="b1"), one)
    apply_requests(NOW + NIGHT)

    assert f"groupchange/{asked.change.pk}/" not in page("contacts_grouprequest_change", asked.pk)


def test_a_record_says_where_a_number_leads_to_by_visible_refs(ours, theirs, reader, both):
    one, two, third, hidden = person(ours, "a1"), person(ours, "a2"), person(ours, "a3"), person(theirs, "b1")
    for nights, (master, child) in enumerate([(one, two), (one, hidden), (third, one)], start=1):
        file_grouping(master, [child], by=both, now=NOW)
        apply_requests(NOW + nights * NIGHT)
    change = GroupChange.objects.order_by("pk")[0]
    file_split(third, [[ref("b1").pk]], by=both, now=NOW)
    apply_requests(NOW + 4 * NIGHT)

    def leads(user) -> set[int]:
        record = change_record(change, user=user, country="US")
        return {number for side in record.sides for number in side.leads_to}

    assert leads(both) - leads(reader) == {group_of("b1")}


def test_the_review_tells_of_answers_about_visible_members_alone(ours, theirs, reader, both):
    one, two = person(ours, "a1"), person(ours, "a2")
    put(SystemRefFactory(system=theirs, system_ref="b1"), one)
    key = load_pair(one.pk, two.pk, both).key
    answer(one.pk, two.pk, ReviewAnswer.Answer.LATER, key=key, by=both, now=NOW)
    elsewhere = Contact.objects.create(since=NOW)
    Mapping.objects.filter(system_ref=ref("b1")).update(contact=elsewhere, is_primary=True)

    assert len(load_pair(one.pk, two.pk, both).earlier) == 1
    assert not load_pair(one.pk, two.pk, reader).earlier


def test_of_a_hold_with_a_ref_out_of_sight_the_plan_says_only_that_it_is(ours, theirs, reader, both, page):
    one, two, _hidden = person(ours, "a1"), person(ours, "a2"), person(theirs, "b1")
    hold([ref("a1").pk, ref("b1").pk], kind=HeldLine.Kind.REGROUP, by=both, now=NOW)
    refs = [ref("a1").pk, ref("a2").pk]
    plan = NightPlan.objects.create(state="done", filed_at=NOW, made_at=NOW, night_at=NOW)
    before, after = {str(one.pk): refs[:1], str(two.pk): refs[1:]}, {str(one.pk): refs}
    line = PlanLine.objects.create(
        plan=plan, position=0, kind="group", group_ids=[one.pk, two.pk], before=before, after=after
    )
    PlanLineRef.objects.bulk_create(PlanLineRef(line=line, system_ref_id=pk) for pk in refs)

    [own], [of_both] = (read_lines([line], reader=user) for user in (reader, both))
    shown = page("sync_nightplan_changelist")

    assert (own.is_held, own.holds, own.why_not_held) == (True, [], "It is held.")
    assert ([found.by for found in of_both.holds], of_both.why_not_held) == ([both], "")
    assert 'aria-label="Hold this line"' not in shown
    assert "Both Diaz" not in shown


def test_what_is_told_of_a_night_in_numbers_is_told_to_who_sees_every_system(theirs, page):
    why = "More than 20,000 System Refs would change."
    NightPlan.objects.create(
        state="done", filed_at=NOW, made_at=NOW, night_at=NOW, counts={"why_numbers": why}
    )

    shown = page("sync_nightplan_changelist")

    assert TOO_MUCH in shown
    assert why not in shown
    assert "made in" not in shown


def test_a_nul_in_what_is_sent_is_read_as_nothing(ours, both, client):
    """PostgreSQL refuses it in any value."""
    one, two = person(ours, "a1"), person(ours, "a2", "a3")
    client.force_login(both)
    case = raise_case(one, title="odd", text="", by=both, now=NOW)
    sent = "a\x00b"
    asked = [
        ("contacts_contact_group", [one.pk], {"q": sent}),
        ("contacts_contact_why_not", [], {"find_left": sent}),
        ("contacts_reviewanswer_changelist", [], {"rule": sent}),
        ("contacts_contact_shared", [], {"after": sent}),
    ]
    told = [
        ("contacts_contact_ungroup", [two.pk], {"reason": sent}),
        ("contacts_contact_raise_case", [one.pk], {"title": sent, "text": sent}),
        ("contacts_case_comment", [case.pk], {"text": sent}),
    ]

    got = [client.get(reverse(f"admin:{name}", args=args), query) for name, args, query in asked]
    posted = [client.post(reverse(f"admin:{name}", args=args), data) for name, args, data in told]

    assert [answer.status_code for answer in (*got, *posted)] == [200] * 4 + [302] * 3
    assert list(GroupRequest.objects.values_list("reason", flat=True)) == ["ab"]
    assert list(CaseComment.objects.values_list("text", flat=True)) == ["ab", "ab"]

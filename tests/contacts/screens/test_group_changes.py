"""Changes of groups: the list, the record of one, and asking on the screen for its undo."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from contacts.models import Contact, GroupChange, GroupDecision, GroupRequest, Mapping
from contacts.permissions import ADMINISTRATORS, SystemRight, grant
from contacts.services.group_requests import file_grouping, file_ungrouping
from contacts.services.group_requests_applied import process_now
from kore_site.roles import CRM_MANAGERS

from ...factories import NOW, MappingFactory, SystemRefFactory, UserFactory
from .conftest import refs_of, text_of

pytestmark = pytest.mark.django_db

LIST = "/admin/contacts/groupchange/"


def grouped(master, *children, by, reason="", at=NOW) -> GroupChange:
    """The children in the master, as the night leaves them."""
    request = file_grouping(master, children, by=by, now=at, reason=reason)
    process_now(request, by=None, now=at)
    return GroupChange.objects.get(request=request)


def record(change: GroupChange) -> str:
    return reverse("admin:contacts_groupchange_change", args=[change.pk])


def undo(change: GroupChange) -> str:
    return reverse("admin:contacts_groupchange_undo", args=[change.pk])


def groups_of(*refs: int) -> list[int]:
    placed = dict(Mapping.objects.filter(pk__in=refs).values_list("pk", "contact_id"))
    return [placed[ref] for ref in refs]


def test_the_record_says_who_when_why_what_each_side_held_and_what_was_not_taken_over(
    as_manager, manager, person, mlb, minors
):
    ann = person((mlb, {"first_name": "Ann", "last_name": "Marlow", "email": "ann@marlow.example"}))
    anne = person((minors, {"first_name": "Anne", "last_name": "Marlow", "phone": "+44 7700 900123"}))
    change = grouped(ann, anne, by=manager, reason="She rang us")

    page = as_manager.get(record(change))

    shown = page.context["record"]
    assert [(side.group_id, [held.ref.pk for held in side.refs]) for side in shown.sides] == [
        (ann.pk, refs_of(ann)[:1]),
        (anne.pk, [ref for ref in refs_of(ann) if ref not in refs_of(ann)[:1]]),
    ]
    assert [(one.field, one.value, one.golden) for one in shown.not_taken] == [("first name", "Anne", "Ann")]
    text = page.content.decode()
    for said in ("Jo Diaz", "She rang us", "12:00", "retired, leads to", "ann@marlow.example"):
        assert said in text
    assert f'href="{undo(change)}"' in text


@pytest.mark.req("R-CM-22")
def test_undo_asks_whether_these_may_be_grouped_again_and_no_is_the_default(as_manager, manager, person, mlb):
    ann, bob = person((mlb, {})), person((mlb, {}))
    change = grouped(ann, bob, by=manager)
    text = as_manager.get(undo(change)).content.decode()
    assert 'name="may_regroup" value="no" checked' in text
    assert "<b>1</b> System Ref goes back, <b>1</b> GroupID lives again" in text

    answer = as_manager.post(undo(change), {"may_regroup": "no", "reason": "father and son"})

    request = GroupRequest.objects.get(undoes=change)
    assert answer.url == record(change)
    assert (request.state, request.may_regroup, request.reason, request.by) == (
        "waiting",
        False,
        "father and son",
        manager,
    )
    assert groups_of(*refs_of(ann)) == [ann.pk, ann.pk]  # nothing changes before the night
    waits = as_manager.get(record(change)).content.decode()
    for said in (
        "its undo is waiting",
        f"request {request.pk}</a>, tonight at",
        f'aria-label="Withdraw request {request.pk}"',
    ):
        assert said in waits
    assert "asks for this already" in as_manager.get(undo(change)).content.decode()

    process_now(request, by=None, now=NOW)
    assert sorted(Contact.objects.values_list("pk", flat=True)) == [ann.pk, bob.pk]
    assert GroupDecision.objects.standing().get().reason == "father and son"
    taken_back = as_manager.get(record(change))
    assert "undone " in text_of(taken_back)
    assert taken_back.context["record"].undoing is None


def test_undo_now_is_for_those_with_the_right_of_their_own(as_manager, manager, person, mlb, client):
    ann, bob = person((mlb, {})), person((mlb, {}))
    change = grouped(ann, bob, by=manager)
    assert "Undo now" not in text_of(as_manager.get(undo(change)))
    as_manager.post(undo(change), {"may_regroup": "yes", "now": "1"})
    assert GroupRequest.objects.get(undoes=change).state == "waiting"
    GroupRequest.objects.filter(undoes=change).delete()

    client.force_login(UserFactory(role=ADMINISTRATORS, is_superuser=True))
    assert "Undo now" in text_of(client.get(undo(change)))
    client.post(undo(change), {"may_regroup": "yes", "now": "1"})

    assert GroupRequest.objects.get(undoes=change).state == "done"
    assert sorted(Contact.objects.values_list("pk", flat=True)) == [ann.pk, bob.pk]
    assert not GroupDecision.objects.standing().filter(is_for_one_run=False).exists()


def test_what_came_since_is_named_and_an_older_change_names_the_newer_that_blocks_it(
    as_manager, manager, person, mlb
):
    ann, bob, cleo = (person((mlb, {})) for _ in range(3))
    first = grouped(ann, bob, by=manager)
    since = SystemRefFactory(system=mlb)
    MappingFactory(system_ref=since, contact=ann, is_primary=False)

    text = text_of(as_manager.get(record(first)))
    assert f"added after: kept in {ann.pk}" in text

    second = grouped(cleo, ann, by=manager)
    text = text_of(as_manager.get(record(first)))
    assert f'href="{record(second)}">Change {second.pk}</a> came later' in text
    answer = as_manager.post(undo(first), {"may_regroup": "no"})
    assert f"Change {second.pk} came later" in text_of(answer)
    assert not GroupRequest.objects.filter(undoes=first).exists()


def test_the_list_is_filtered_by_what_by_whom_and_standing_and_searched_by_group_id(
    as_manager, manager, person, mlb
):
    people = [person((mlb, {}), (mlb, {})) for _ in range(4)]
    joined = grouped(people[0], people[1], by=manager)
    request = file_ungrouping(people[2], by=manager, now=NOW)
    process_now(request, by=None, now=NOW)
    split = GroupChange.objects.get(request=request)
    by_rule = grouped(people[3], people[0], by=manager, at=NOW + dt.timedelta(days=1))
    GroupChange.objects.filter(pk=by_rule.pk).update(request=None)

    def listed(query: str) -> list[int]:
        return [line.change.pk for line in as_manager.get(LIST + query).context["cl"].lines]

    assert listed("") == [by_rule.pk, split.pk, joined.pk]
    assert listed("?what=split") == [split.pk]
    assert listed("?by=rule") == [by_rule.pk]
    assert listed("?by=hand&what=joined") == [joined.pk]
    assert listed("?stands=no") == []
    assert listed(f"?q={people[1].pk}") == [joined.pk]
    assert listed("?q=marlow") == []


def test_the_list_and_the_record_ask_a_constant_number_of_queries(as_manager, manager, person, mlb):
    def queries(address: str) -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert as_manager.get(address).status_code == 200
        return len(captured)

    small = grouped(person((mlb, {})), person((mlb, {})), by=manager)
    as_manager.get(LIST)
    one, record_one = queries(LIST), queries(record(small))
    grouped(person((mlb, {}), (mlb, {})), person((mlb, {})), by=manager)
    large = grouped(person(*[(mlb, {})] * 3), *[person((mlb, {}), (mlb, {})) for _ in range(3)], by=manager)

    assert queries(LIST) == one
    assert queries(record(large)) == record_one


@pytest.mark.req("R-MDB-34")
def test_a_change_with_a_hidden_ref_is_absent_and_one_who_may_not_group_cannot_undo(
    client, manager, rep, person, mlb, minors
):
    shown = grouped(person((mlb, {})), person((mlb, {})), by=manager)
    hidden = grouped(person((mlb, {})), person((minors, {})), by=manager)
    narrow = UserFactory(role=CRM_MANAGERS)
    grant(narrow, SystemRight.VIEW, on=mlb)
    client.force_login(narrow)

    assert [line.change for line in client.get(LIST).context["cl"].lines] == [shown]
    assert {client.get(record(hidden)).status_code, client.get(undo(hidden)).status_code} == {404}
    assert client.post(undo(hidden), {}).status_code == 404
    assert client.post(record(shown), {}).status_code == 403
    assert client.post(LIST, {}).status_code == 403
    # A hidden contact was grouped into it meanwhile: nothing is said of that, and the undo is refused.
    before = [text_of(client.get(page(shown))) for page in (record, undo)]
    grouped(Contact.objects.get(pk=int(next(iter(shown.after)))), person((minors, {})), by=manager)
    assert [text_of(client.get(page(shown))) for page in (record, undo)] == before
    refused = client.post(undo(shown), {"may_regroup": "no"})
    assert refused.status_code == 403
    assert "MIN" not in text_of(refused)

    client.force_login(rep)
    for answer in (client.get(LIST), client.get(record(shown)), client.get(undo(shown))):
        assert answer.status_code == 403
    assert client.post(undo(shown), {"may_regroup": "no"}).status_code == 403
    assert not GroupRequest.objects.filter(kind="undo").exists()

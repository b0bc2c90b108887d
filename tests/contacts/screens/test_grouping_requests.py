"""Ungroup, split, the actions of the contact list, and the list of requests."""

import datetime as dt
import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from contacts.grouping.comparisons import COMPARISONS
from contacts.models import (
    Contact,
    GroupDecision,
    GroupRequest,
    Link,
    Mapping,
    ModelVersion,
    SystemRef,
    TicketSystem,
)
from contacts.permissions import SystemRight, grant
from contacts.services.group_requests import file_grouping, file_split, file_ungrouping, withdraw_request
from contacts.services.group_requests_applied import apply_requests
from kore_site.roles import ADMINISTRATORS, CRM_MANAGERS

from ...factories import NOW, UserFactory
from .conftest import refs_of

CONTACTS = reverse("admin:contacts_contact_changelist")
REQUESTS = reverse("admin:contacts_grouprequest_changelist")


@pytest.fixture
def three(person, mlb, minors):
    """A contact of three refs; the first is the primary."""
    return person(
        (mlb, {"system_ref": "2001", "first_name": "Ann"}),
        (minors, {"system_ref": "3004", "first_name": "Anne"}),
        (minors, {"system_ref": "3005", "first_name": "Bob"}),
    )


def screen(contact: Contact, name: str) -> str:
    return reverse(f"admin:contacts_contact_{name}", args=[contact.pk])


def page(request: GroupRequest) -> str:
    return reverse("admin:contacts_grouprequest_change", args=[request.pk])


def steer(request: GroupRequest) -> str:
    return reverse("admin:contacts_grouprequest_steer", args=[request.pk])


def plain(response) -> str:
    return " ".join(response.content.decode().split())


@pytest.mark.req("R-CM-19", "R-CM-20", "R-CM-22")
@pytest.mark.parametrize(("answer", "may_regroup"), [(None, False), ("no", False), ("yes", True)])
def test_ungroup_is_confirmed_and_asks_whether_later_nights_may_group_again(
    as_manager, three, answer, may_regroup
):
    asked = as_manager.get(screen(three, "ungroup"))
    text = plain(asked)
    assert all(ref in text for ref in ("2001", "3004", "3005", "3 System Refs", "May these be grouped again"))
    assert not GroupRequest.objects.exists()

    as_manager.post(screen(three, "ungroup"), {"may_regroup": answer} if answer else {})
    apply_requests(NOW)

    request = GroupRequest.objects.get()
    assert (request.kind, request.may_regroup, request.state) == ("ungroup", may_regroup, "done")
    assert Mapping.objects.values("contact").distinct().count() == 3
    assert GroupDecision.objects.filter(kind="never", is_for_one_run=may_regroup).count() == 3


@pytest.mark.req("R-CM-21")
def test_a_contact_of_one_ref_is_offered_neither_ungroup_nor_split(as_manager, person, mlb):
    single = person((mlb, {}))
    text = as_manager.get(reverse("admin:contacts_contact_change", args=[single.pk])).content.decode()

    for name in ("ungroup", "split"):
        assert screen(single, name) not in text
        assert as_manager.get(screen(single, name)).status_code == 403
    assert as_manager.post(screen(single, "ungroup")).status_code == 409


def test_split_sends_the_chosen_refs_into_new_contacts_after_a_preview(as_manager, three):
    ann, anne, bob = sorted(refs_of(three))
    sent = {f"part-{anne}": "1", f"part-{bob}": "2"}

    shown = as_manager.post(screen(three, "split"), {**sent, "do": "preview"})
    parts = [(p.keeps_group_id, p.name, [r.pk for r in p.refs]) for p in shown.context["parts"]]
    assert parts == [(True, "Ann", [ann]), (False, "Anne", [anne]), (False, "Bob", [bob])]
    assert not GroupRequest.objects.exists()
    as_manager.post(screen(three, "split"), {**sent, "do": "file", "reason": "Two sisters"})

    request = GroupRequest.objects.get()
    assert (request.kind, request.reason) == ("split", "Two sisters")
    assert dict(request.refs.values_list("system_ref", "part")) == {ann: 0, anne: 1, bob: 2}
    waiting = plain(as_manager.get(reverse("admin:contacts_contact_change", args=[three.pk])))
    assert "split this record: MIN 3004; MIN 3005 to 2 new Contacts" in waiting


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        (("0", "0", "0"), "at least one."),
        (("1", "1", "2"), "has to stay."),
        (("x", "-1", "999"), "at least one."),
    ],
)
def test_a_split_in_which_all_stay_or_all_leave_is_told_so(as_manager, three, parts, sentence):
    sent = {f"part-{ref}": part for ref, part in zip(sorted(refs_of(three)), parts, strict=True)}

    for order in ("preview", "file"):
        refused = as_manager.post(screen(three, "split"), {**sent, "do": order})
        assert (refused.status_code, sentence in plain(refused)) == (409, True)
    assert not GroupRequest.objects.exists()


def test_split_here_proposes_the_side_beyond_the_weakest_link(as_manager, three):
    ann, anne, bob = sorted(refs_of(three))
    evidence = json.dumps([[-1, 0, 0]] * len(COMPARISONS))
    for left, right, weight in ((ann, anne, 30), (anne, bob, 8)):
        Link.objects.create(
            left_id=left, right_id=right, decision="joined", weight=weight, household=1, evidence=evidence,
            model_version=ModelVersion.objects.get_or_create(
                number=1, population=9, settings={}, created_at=NOW
            )[0],
        )  # fmt: skip

    why = as_manager.get(reverse("admin:contacts_contact_change", args=[three.pk]), {"panel": "why"})
    address = f"{screen(three, 'split')}?from={anne}&amp;to={bob}"
    assert address in why.content.decode()
    chosen = as_manager.get(screen(three, "split"), {"from": anne, "to": bob}).context["choices"]

    assert {ref.pk: part for ref, part in chosen} == {ann: 0, anne: 0, bob: 1}


@pytest.mark.req("R-CM-12", "R-CM-27")
def test_the_list_groups_and_ungroups_the_chosen_and_says_what_could_not_be_filed(
    as_manager, manager, three, person, mlb
):
    single, waiting = person((mlb, {})), person((mlb, {}), (mlb, {}))
    waits = file_ungrouping(waiting, by=manager, now=NOW)
    chosen = [three.pk, single.pk, waiting.pk]

    grouped = as_manager.post(CONTACTS, {"action": "group", "chosen": chosen})
    assert grouped.url == f"{screen(three, 'group')}?with={single.pk}&with={waiting.pk}"
    two = as_manager.post(CONTACTS, {"action": "why-not", "chosen": chosen}, follow=True)
    assert "exactly two" in plain(two)
    why = as_manager.post(CONTACTS, {"action": "why-not", "chosen": chosen[:2]})
    assert why.url == f"{reverse('admin:contacts_contact_why_not')}?left={three.pk}&right={single.pk}"
    asked = plain(as_manager.post(CONTACTS, {"action": "ungroup", "chosen": chosen}))
    assert "Ungroup 1 contact?" in asked
    assert f"request {waits.pk} waits on it" in asked
    assert GroupRequest.objects.count() == 1
    sent = {"action": "ungroup", "chosen": chosen, "confirmed": "yes", "may_regroup": "no"}
    filed = plain(as_manager.post(CONTACTS, sent, follow=True))

    assert "Filed: 1 request to ungroup" in filed
    assert f"GroupID {single.pk} was not filed." in filed
    assert f"GroupID {waiting.pk} was not filed." in filed
    assert sorted(GroupRequest.objects.values_list("group_id", flat=True)) == sorted([three.pk, waiting.pk])


@pytest.mark.req("R-CM-27", "R-MDB-34")
def test_the_list_takes_no_other_post_and_ids_of_hidden_rows_choose_nothing(
    as_rep, client, person, mlb, minors
):
    ours, theirs = person((mlb, {}), (mlb, {})), person((minors, {}), (minors, {}))
    text = plain(as_rep.get(CONTACTS))
    assert 'value="group" data-needs-chosen="0" disabled' in text
    for action in ("group", "ungroup", "delete_selected", ""):
        assert as_rep.post(CONTACTS, {"action": action, "chosen": ours.pk}).status_code == 403
    manager = UserFactory(role=CRM_MANAGERS)
    grant(manager, SystemRight.VIEW, on=mlb)
    client.force_login(manager)

    sent = {"action": "ungroup", "chosen": [theirs.pk, "9" * 30], "confirmed": "yes"}
    answer = client.post(CONTACTS, sent, follow=True)

    assert "choose the rows first" in plain(answer)
    assert client.post(CONTACTS, {"action": "delete_selected", "chosen": ours.pk}).status_code == 403
    assert not GroupRequest.objects.exists()


@pytest.mark.req("R-CM-18", "R-CM-40")
def test_requests_show_every_state_with_its_times_and_are_found_by_group_id(as_manager, manager, person, mlb):
    contacts = [person((mlb, {}), (mlb, {})) for _ in range(5)]
    waits, held, gone, failed, done = (file_ungrouping(c, by=manager, now=NOW) for c in contacts)
    as_manager.post(REQUESTS, {"action": "hold", "chosen": [held.pk]})
    bulk = as_manager.post(REQUESTS, {"action": "withdraw", "chosen": [gone.pk]}, follow=True)
    assert "1 request is withdrawn" in plain(bulk)
    Mapping.objects.filter(contact=contacts[3], is_primary=False).update(contact=contacts[0])
    GroupRequest.objects.filter(pk=waits.pk).update(state="held")
    apply_requests(NOW + dt.timedelta(hours=14))
    GroupRequest.objects.filter(pk=waits.pk).update(state="waiting")

    rows = {r.request.pk: (r.request.state, r.tone) for r in as_manager.get(REQUESTS).context["cl"].rows}
    assert rows == {
        waits.pk: ("waiting", "busy"),
        held.pk: ("held", "warn"),
        gone.pk: ("withdrawn", "off"),
        failed.pk: ("failed", "bad"),
        done.pk: ("done", "good"),
    }

    def found(**asked):
        return {row.request.pk for row in as_manager.get(REQUESTS, asked).context["cl"].rows}

    assert found(state="open") == {waits.pk, held.pk}
    assert found(state="failed", kind="ungroup", by="me") == {failed.pk}
    assert found(kind="group") == found(by="others") == set()
    assert found(q=str(done.group_id)) == {done.pk}
    assert found(q="nobody") == set()
    again = plain(as_manager.post(REQUESTS, {"action": "withdraw", "chosen": [done.pk]}, follow=True))
    assert f"Request {done.pk} stays as it is. It is done." in again
    for request in (waits, held, gone, failed, done):
        request.refresh_from_db()
        text = plain(as_manager.get(page(request)))
        assert request.get_state_display() in text
        assert ("File it again" in text) == (request.state in ("withdrawn", "failed"))
        assert (request.outcome or "2 Mar 2026") in text


@pytest.mark.req("R-CM-18", "R-CM-27")
def test_one_request_is_held_let_go_processed_by_who_may_and_withdrawn(as_manager, manager, three, client):
    request = file_ungrouping(three, by=manager, now=NOW)
    admin = UserFactory(role=ADMINISTRATORS)
    for system in TicketSystem.objects.all():
        grant(admin, SystemRight.VIEW, on=system)
    client.force_login(admin)
    assert "An administrator has it" in plain(as_manager.get(page(request)))
    assert as_manager.post(steer(request), {"do": "process"}).status_code == 403
    assert as_manager.post(steer(request), {"do": "delete"}).status_code == 403
    assert as_manager.get(steer(request)).status_code == 403
    assert as_manager.post(page(request)).status_code == 403

    def state(order, by):
        by.post(steer(request), {"do": order})
        request.refresh_from_db()
        return request.state

    assert state("hold", as_manager) == "held"
    assert state("process", client) == "held"
    assert state("release", as_manager) == "waiting"
    assert state("process", client) == "done"
    assert state("withdraw", as_manager) == "done"
    assert (request.settled_by, Contact.objects.count()) == (admin, 3)


@pytest.mark.req("R-MDB-34", "R-CM-27")
def test_a_request_with_a_hidden_ref_does_not_exist_for_who_may_not_see_it(
    client, manager, person, mlb, minors
):
    ours, theirs = person((mlb, {})), person((minors, {}))
    request = file_grouping(ours, [theirs], by=manager, now=NOW)
    half = UserFactory(role=CRM_MANAGERS)
    grant(half, SystemRight.VIEW, on=mlb)
    client.force_login(half)

    assert client.get(REQUESTS).context["cl"].rows == []
    assert client.get(page(request)).status_code == client.post(steer(request)).status_code == 404
    refused = client.post(screen(ours, "group"), {"do": "file", "with": person((mlb, {})).pk})
    assert (refused.status_code, f"Request {request.pk}" in plain(refused)) == (409, False)
    client.post(REQUESTS, {"action": "withdraw", "chosen": [request.pk]})
    request.refresh_from_db()
    assert request.state == "waiting"


def test_the_list_of_requests_costs_the_same_queries_whatever_the_rows(
    as_manager, manager, person, mlb, minors
):
    costs = []
    for count in (1, 9):
        for _ in range(count):
            contact = person((mlb, {}), (minors, {}), (minors, {}))
            file_split(contact, [refs_of(contact)[1:]], by=manager, now=NOW)
        with CaptureQueriesContext(connection) as queries:
            response = as_manager.get(REQUESTS)
        costs.append((len(response.context["cl"].rows), len(queries)))

    assert [rows for rows, _ in costs] == [1, 10]
    assert costs[0][1] == costs[1][1] <= 19


def test_a_withdrawn_request_is_filed_again_from_its_page(as_manager, manager, person, mlb):
    master, child = person((mlb, {})), person((mlb, {}))
    request = file_grouping(master, [child], by=manager, now=NOW)
    withdraw_request(request, by=manager, now=NOW)

    again = as_manager.get(page(request)).context["again"]

    assert again == f"{screen(master, 'group')}?with={child.pk}"
    assert [c.pk for c in as_manager.get(again).context["choice"].contacts] == [master.pk, child.pk]
    assert SystemRef.objects.count() == 2

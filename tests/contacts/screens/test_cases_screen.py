"""Cases on the screen, and what a contact's page says of groupings, decisions and what came back."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from contacts.models import Case, Contact, GroupRequest, Organisation, SystemRef
from contacts.permissions import SystemRight, grant
from contacts.services.cases import raise_case
from contacts.services.do_not_group import never_group
from contacts.services.group_requests import file_ungrouping
from contacts.services.group_requests_applied import process_now
from contacts.services.regroup import regroup
from kore_site.roles import CRM_MANAGERS

from ...factories import NOW, MappingFactory, SystemRefFactory, UserFactory
from .conftest import refs_of, text_of
from .test_group_changes import grouped

pytestmark = pytest.mark.django_db

LIST = "/admin/contacts/case/"
ANN = {"first_name": "Ann", "last_name": "Marlow", "email": "ann@marlow.example", "phone": "07700900123"}


def page(contact_id: int, panel: str = "groupings") -> str:
    return f"{reverse('admin:contacts_contact_change', args=[contact_id])}?panel={panel}"


def raising(contact_id: int) -> str:
    return reverse("admin:contacts_contact_raise_case", args=[contact_id])


def of_case(case: Case, view: str = "change") -> str:
    return reverse(f"admin:contacts_case_{view}", args=[case.pk])


@pytest.fixture
def came_back(mlb, minors, manager) -> tuple[int, GroupRequest]:
    """Two alike refs, joined by a night, ungrouped with “may be grouped again”, and joined by the next."""
    refs = [SystemRefFactory(system=system, **ANN) for system in (mlb, minors)]
    regroup(now=NOW)
    contact = SystemRef.objects.get(pk=refs[0].pk).mapping.contact
    later = NOW + dt.timedelta(days=10)
    request = file_ungrouping(contact, by=manager, now=later, may_regroup=True, reason="two people")
    process_now(request, by=None, now=later)
    for night in (11, 12):
        regroup(now=NOW + dt.timedelta(days=night))
    request.refresh_from_db()
    return SystemRef.objects.get(pk=refs[0].pk).mapping.contact_id, request


def listed_titles(client, query: str = "") -> list[str]:
    return [case.title for case in client.get(LIST + query).context["cl"].result_list]


@pytest.mark.req("R-CM-24")
def test_a_contact_that_was_ungrouped_and_came_back_says_so_and_offers_a_case(as_manager, manager, came_back):
    contact_id, request = came_back
    text = text_of(as_manager.get(page(contact_id)))
    assert "These were ungrouped on" in text
    assert "by the night:" in text
    assert f'href="{raising(contact_id)}">Raise a case</a>' in text
    assert "Ungroup for good" in text
    form = as_manager.get(raising(contact_id))
    assert 'value="Grouped again after it was parted"' in text_of(form)
    assert "No service desk is set" in text_of(form)

    answer = as_manager.post(raising(contact_id), {"title": "They came back", "text": "Why?"}, follow=True)

    case = Case.objects.get()
    assert (case.title, case.by, case.request, case.group_id) == (
        "They came back",
        manager,
        request,
        contact_id,
    )
    assert len(case.facts["came_back"]["group_ids"]) == 2
    shown = text_of(answer)
    for said in (
        "They came back",
        "Why?",
        f"request {request.pk}</a> on",
        "kept here",
        "MLB",
        "Changes of groups",
    ):
        assert said in shown, said


def test_a_case_is_read_commented_solved_and_sent(as_manager, manager, person, mlb):
    case = raise_case(person((mlb, ANN)), title="Odd", text="Please look", by=manager, now=NOW)

    as_manager.post(of_case(case, "comment"), {"text": "Looking <b>now</b>", "state": "in_hand"})
    text = text_of(as_manager.get(of_case(case)))
    assert "Looking &lt;b&gt;now&lt;/b&gt;" in text
    assert "now <b>in hand</b>" in text
    refused = as_manager.post(of_case(case, "comment"), {"text": " ", "state": "in_hand"}, follow=True)
    assert refused.redirect_chain[-1][0] == of_case(case)  # told at the field, once
    assert "Write something" in text_of(refused)
    assert "Write something" not in text_of(as_manager.get(of_case(case)))
    no_address = as_manager.post(of_case(case, "send"), follow=True)
    assert "No address of a service desk" in text_of(no_address)

    Organisation.objects.update(service_desk="desk@example.org")
    assert "Send to desk@example.org" in text_of(as_manager.get(of_case(case)))
    as_manager.post(of_case(case, "send"))
    assert "on its way" in text_of(as_manager.get(of_case(case)))
    as_manager.post(of_case(case, "comment"), {"text": "", "state": "solved"})
    case.refresh_from_db()
    assert (case.state, case.mail_error) == ("solved", "")
    manager.delete()  # their case stays
    as_manager.force_login(UserFactory(is_superuser=True))
    assert "somebody who has left" in text_of(as_manager.get(of_case(case)))
    assert listed_titles(as_manager) == ["Odd"]


def test_the_list_is_filtered_and_searched_with_a_constant_number_of_queries(
    as_manager, manager, person, mlb
):
    def listed(query: str = "") -> list[str]:
        return listed_titles(as_manager, query)

    def queries(address: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            as_manager.get(address)
        return len(captured)

    ann = person((mlb, ANN))
    first = raise_case(ann, title="First", text="a", by=manager, now=NOW)
    listed()
    one, of_one = queries(LIST), queries(of_case(first))
    other = UserFactory(role=CRM_MANAGERS)
    grant(other, SystemRight.VIEW, on=mlb)
    large = grouped(person((mlb, {}), (mlb, {})), person((mlb, {})), by=manager)
    whole = Contact.objects.get(pk=int(next(iter(large.after))))
    second = raise_case(whole, title="Second", text="", by=other, now=NOW)
    Case.objects.filter(pk=first.pk).update(state="solved", solved_at=NOW)

    assert listed() == ["Second", "First"]
    assert listed("?state=unsolved") == ["Second"]
    assert listed("?state=solved") == ["First"]
    assert listed("?by=me") == ["First"]
    assert listed(f"?q={ann.pk}") == ["First"]
    assert listed("?q=seco") == ["Second"]
    assert queries(LIST) == one
    assert queries(of_case(second)) <= of_one + 1  # whoever is named in the changes, once for all of them


@pytest.mark.req("R-CM-27")
def test_who_may_not_raise_or_see_every_ref_is_kept_out(client, manager, rep, person, mlb, minors):
    ours, mixed, strange = person((mlb, {})), person((mlb, {}), (minors, {})), person((minors, {}))
    hidden = raise_case(mixed, title="Hidden", text="", by=manager, now=NOW)
    narrow = UserFactory(role=CRM_MANAGERS)
    grant(narrow, SystemRight.VIEW, on=mlb)
    client.force_login(narrow)

    assert client.get(LIST).context["cl"].result_list == []
    for view in ("comment", "send"):
        assert client.post(of_case(hidden, view), {"text": "x", "state": "open"}).status_code == 404
    assert client.get(of_case(hidden)).status_code == 404
    assert {client.get(raising(strange.pk)).status_code, client.post(raising(10**30), {}).status_code} == {
        404
    }
    assert client.post(raising(mixed.pk), {"title": "Mine", "text": ""}).status_code == 302
    assert [one["system"] for one in Case.objects.latest("pk").facts["refs"]] == ["MLB"]

    client.force_login(rep)
    assert client.get(LIST).status_code == 403
    for answer in (client.get(raising(ours.pk)), client.post(raising(ours.pk), {"title": "x"})):
        assert answer.status_code == 403
    assert "Your role raises no cases." in text_of(client.get(page(ours.pk)))
    assert client.post(LIST, {}).status_code == 403


def test_the_groupings_panel_lists_changes_with_undo_and_decisions_with_lift(
    as_manager, manager, person, mlb, minors
):
    ann, bob = person((mlb, ANN)), person((minors, ANN))
    change = grouped(ann, bob, by=manager, reason="She rang us")
    stranger = SystemRefFactory(system=mlb, system_ref="77")
    MappingFactory(system_ref=stranger)
    rule = never_group(
        SystemRef.objects.get(pk=refs_of(ann)[0]), stranger, reason="sisters", by=manager, now=NOW
    )

    text = text_of(as_manager.get(page(ann.pk)))

    undo = reverse("admin:contacts_groupchange_undo", args=[change.pk])
    assert f'href="{undo}" aria-label="Undo change {change.pk}"' in text
    assert "“She rang us”" in text
    assert "“sisters”" in text
    assert f'name="decision" value="{rule.pk}"' in text
    assert f'href="{undo}">Undo the last grouping</a>' in text
    assert f'href="{raising(ann.pk)}">Raise a case</a>' in text


@pytest.mark.req("R-CM-27")
def test_a_rep_sees_groupings_of_their_systems_alone_and_cannot_undo(
    client, rep, manager, person, mlb, minors
):
    ann = person((mlb, ANN))
    grouped(ann, person((mlb, ANN)), by=manager, reason="They rang")
    grouped(ann, person((minors, ANN)), by=manager, reason="MIN wrote")
    client.force_login(rep)

    text = text_of(client.get(page(ann.pk)))

    assert "They rang" in text
    assert "MIN" not in text
    assert "Grouping needs a right of its own." in text
    assert 'aria-label="Undo change' not in text

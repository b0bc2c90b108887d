"""The TDM page of a contact: what it shows to whom, and at what cost."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from contacts.models import (
    Contact,
    FieldChange,
    GoldenPin,
    GoneRef,
    GroupAlias,
    HeldValue,
    Move,
    RelatedName,
    SystemRef,
)
from contacts.models.history import Origin
from contacts.permissions import SystemRight, grant
from contacts.services.primary import choose_primary
from kore_site.roles import CRM_MANAGERS
from ticketing.models import WriteBack
from ticketing.services.submit import submit

from ...factories import (
    NOW,
    MappingFactory,
    PurchaseFactory,
    SystemRefFactory,
    TicketSystemFactory,
    UserFactory,
)
from .conftest import account_of, rep_of

pytestmark = pytest.mark.django_db


def page(client, contact, **asked):
    return client.get(reverse("tdm:contact", args=[contact.pk]), asked)


def text_of(response) -> str:
    return " ".join(response.content.decode().split())


@pytest.mark.req("R-MDB-14", "R-SYS-2")
def test_the_page_has_a_tab_for_every_account_that_the_rep_may_see_the_primary_first(
    as_rep, rep, person, mlb, minors
):
    grant(rep, SystemRight.VIEW, on=minors)
    ann = person((minors, {"system_ref": "3004", "first_name": "Ann"}), (mlb, {"system_ref": "2001"}))

    response = page(as_rep, ann)

    assert [(str(tab.ref), tab.is_primary, tab.is_open) for tab in response.context["tabs"]] == [
        ("MIN 3004", True, True),
        ("MLB 2001", False, False),
    ]


@pytest.mark.req("R-MDB-32", "R-MDB-33")
def test_a_hidden_account_leaves_no_trace_on_the_page(as_rep, person, mlb, minors):
    ann = person(
        (minors, {"system_ref": "HIDDEN-1", "first_name": "Hidden", "phone": "0999"}),
        (mlb, {"system_ref": "2001", "first_name": "Ann"}),
    )
    PurchaseFactory(system_ref=account_of(ann, minors), event="Hidden Opener")

    response = page(as_rep, ann)

    assert response.context["name"] == "Ann"
    assert [str(tab.ref) for tab in response.context["tabs"]] == ["MLB 2001"]
    assert "hidden-1" not in text_of(response).lower()
    assert "hidden opener" not in text_of(response).lower()
    assert "0999" not in text_of(response)


@pytest.mark.req("R-MDB-32")
def test_a_contact_or_account_out_of_sight_is_404_word_for_word_as_one_that_is_not_there(
    as_rep, person, mlb, minors
):
    hidden = person((minors, {}))
    ours = person((mlb, {}), (minors, {}))

    absent = as_rep.get(reverse("tdm:contact", args=[10**12]))
    refused = page(as_rep, hidden)
    account = page(as_rep, ours, account=account_of(ours, minors).pk)

    assert (absent.status_code, refused.status_code, account.status_code) == (404, 404, 404)
    assert absent.content == refused.content == account.content


def test_a_retired_group_id_leads_to_the_contact_it_lives_on_in(as_rep, person, mlb):
    ann = person((mlb, {}))
    GroupAlias.objects.create(group_id=77, contact=ann, at=NOW)
    ref = account_of(ann, mlb)
    Move.objects.create(
        system_ref=ref, from_group=77, to_group=ann.pk, was_primary=True, is_primary=True,
        cause=Move.Cause.JOINED, at=NOW,
    )  # fmt: skip

    response = as_rep.get(reverse("tdm:contact", args=[77]))

    assert (response.status_code, response.url) == (302, reverse("tdm:contact", args=[ann.pk]))


@pytest.mark.req("R-MDB-26", "R-MDB-27", "R-MDB-29")
def test_submit_is_enabled_on_the_account_that_may_be_changed_and_disabled_with_the_reason_on_the_other(
    as_rep, rep, person, mlb, minors
):
    grant(rep, SystemRight.VIEW, on=minors)
    UserFactory(username="jdiaz", first_name="J.", last_name="Diaz", role=CRM_MANAGERS)
    ann = person((mlb, {}), (minors, {}))

    mine = text_of(page(as_rep, ann))
    theirs = text_of(page(as_rep, ann, account=account_of(ann, minors).pk))

    assert mine.count('name="submit"') == theirs.count('name="submit"') == 1
    assert '<button class="k-button k-button-main" name="submit" value="1">' in mine
    assert "You may change accounts of MLB." in mine
    assert "data-reason" not in mine
    assert 'name="submit" value="1" disabled' in theirs
    assert "data-reason>You may see but not change accounts of MIN. Ask: J. Diaz.<" in theirs


@pytest.mark.req("R-MDB-27")
def test_submit_is_disabled_for_an_account_that_is_gone_at_its_source_and_says_why(as_rep, person, mlb):
    ann = person((mlb, {}))
    GoneRef.objects.create(system_ref=account_of(ann, mlb), reason=GoneRef.Reason.MISSING, noticed_at=NOW)

    shown = text_of(page(as_rep, ann))

    assert 'name="submit" value="1" disabled' in shown
    assert "Its source does not know it any more since 2 Mar 2026" in shown


@pytest.mark.req("R-MDB-14")
def test_the_timeline_holds_the_purchases_of_all_visible_systems_and_the_account_its_own(
    as_rep, rep, person, mlb, minors
):
    grant(rep, SystemRight.VIEW, on=minors)
    ann = person((mlb, {}), (minors, {}))
    for number in range(45):
        PurchaseFactory(
            system_ref=account_of(ann, minors),
            event=f"M{number}",
            purchased_at=NOW + dt.timedelta(days=number),
        )
    PurchaseFactory(system_ref=account_of(ann, mlb), event="Opener", purchased_at=NOW - dt.timedelta(days=9))

    response = page(as_rep, ann)

    assert [p.event for p in response.context["timeline"]] == [f"M{number}" for number in range(44, 4, -1)]
    assert [p.event for p in response.context["purchases"]] == ["Opener"]


def test_a_page_costs_a_restricted_rep_at_most_twelve_queries_however_many_accounts_there_are(
    client, person, mlb, minors
):
    rep = rep_of("worst", mlb, may_change=False)
    manager = UserFactory(username="m", role=CRM_MANAGERS)
    for right in SystemRight:
        grant(manager, right, on=mlb)
    client.force_login(rep)
    costs = []
    for accounts in (2, 6):
        ann = person((minors, {}), *[(mlb, {"first_name": "Ann"}) for _ in range(accounts)])
        refs = list(Contact.objects.get(pk=ann.pk).mappings.filter(system_ref__system=mlb).order_by("pk"))
        for mapping in refs:
            ref = mapping.system_ref
            PurchaseFactory(system_ref=ref)
            submit(ref, {"first_name": "Anne"}, seen=None, by=manager, now=NOW)
            RelatedName.objects.create(system_ref=ref, name_id="1", first_name="Bo")
            ref.related_text = "BO"
            ref.save(update_fields=["related_text"])
        choose_primary(ann, refs[0].system_ref, by=manager, now=NOW)
        page(client, ann)
        with CaptureQueriesContext(connection) as captured:
            response = page(client, ann)
        assert response.status_code == 200
        assert response.context["lead"].is_by_hand
        assert response.context["names"]
        costs.append(len(captured))

    assert costs[0] == costs[1] <= 12, costs


def test_the_history_of_an_account_tells_origin_person_day_and_time(as_rep, rep, person, mlb):
    ann = person((mlb, {"email": "new@example.org"}))
    ref = account_of(ann, mlb)
    FieldChange.objects.create(system_ref=ref, origin=Origin.IMPORT, at=NOW)
    FieldChange.objects.create(
        system_ref=ref, field="email", before="old@example.org", after="new@example.org",
        origin=Origin.HAND, actor=rep, at=NOW + dt.timedelta(hours=1),
    )  # fmt: skip

    response = page(as_rep, ann, account=ref.pk, show="history")

    lines = response.context["changes"]
    assert [(line.what, line.by, line.why_not) for line in lines] == [
        ("e-mail", "rep", ""),
        ("came in", "", "This is how the account came: there is nothing before it."),
    ]
    assert "2 Mar 2026, 13:00" in text_of(response)


def test_the_contact_page_leads_to_the_tdm_and_its_history_to_the_way_back(as_rep, rep, person, mlb):
    ann = person((mlb, {"email": "new@example.org"}))
    ref = account_of(ann, mlb)
    FieldChange.objects.create(
        system_ref=ref, field="email", before="a", after="b", origin=Origin.IMPORT, at=NOW
    )
    contact_page = reverse("admin:contacts_contact_change", args=[ann.pk])
    tdm = reverse("tdm:contact", args=[ann.pk])

    assert f'href="{tdm}"' in text_of(as_rep.get(contact_page))
    history = text_of(as_rep.get(contact_page, {"panel": "history"}))
    assert f'href="{tdm}?account={ref.pk}&amp;show=history"' in history


def test_opening_the_page_is_remembered_among_the_contacts_opened_last(as_rep, person, mlb, minors):
    ann, hidden = person((mlb, {})), person((minors, {}))

    page(as_rep, ann)
    page(as_rep, hidden)

    assert as_rep.session["recent_contacts"] == [ann.pk]


@pytest.mark.parametrize("name", ["tdm:find", "tdm:conflicts", "tdm:write_backs"])
def test_nobody_gets_in_without_a_role(client, name):
    assert client.get(reverse(name)).status_code == 302
    client.force_login(UserFactory())
    assert client.get(reverse(name)).status_code == 403


def test_a_pinned_value_is_the_one_that_the_header_shows(as_rep, person, mlb):
    ann = person((mlb, {"first_name": "Ann"}))
    other = SystemRefFactory(system=mlb, first_name="Annabel")
    MappingFactory(system_ref=other, contact=ann, is_primary=False)
    GoldenPin.objects.create(
        contact=ann, field="first_name", system_ref=other, origin=GoldenPin.Origin.PERSON, at=NOW
    )

    assert page(as_rep, ann).context["name"] == "Annabel"


def test_a_first_look_at_a_contact_with_everything_on_it_takes_at_most_12_queries(
    as_rep, rep, person, mlb, minors
):
    grant(rep, SystemRight.VIEW, on=minors)
    ann = person((mlb, {"first_name": "Ann"}), (mlb, {}), (minors, {}), (TicketSystemFactory(), {}))
    chosen = Contact.objects.get(pk=ann.pk).mappings.filter(system_ref__system=mlb).latest("pk").system_ref
    choose_primary(ann, chosen, by=rep, now=NOW)
    submit(chosen, {"first_name": "Anne", "last_name": "Lee"}, seen=None, by=rep, now=NOW)
    HeldValue.objects.filter(system_ref=chosen, field="last_name").update(differs_since=NOW)
    WriteBack.objects.filter(system_ref=chosen).update(
        state=WriteBack.State.REFUSED, reason="Refused there.", settled_by=rep, settled_at=NOW
    )
    GoldenPin.objects.create(
        contact=ann, field="first_name", system_ref=chosen, origin="person", by=rep, at=NOW
    )
    RelatedName.objects.create(system_ref=chosen, name_id="1", first_name="Bo")
    SystemRef.objects.filter(pk=chosen.pk).update(related_text="BO")
    PurchaseFactory(system_ref=chosen)
    as_rep.get(reverse("tdm:find"))

    with CaptureQueriesContext(connection) as captured:
        response = page(as_rep, ann)

    shown = response.context
    assert shown["account"] == chosen
    assert shown["conflicts"]
    assert shown["write_backs"]["open"]
    assert shown["names"]
    assert shown["lead"].by
    assert shown["contact"].pins.all()
    # The savepoint around the session's write is the test's own: served, no transaction is open around it.
    statements = [query["sql"] for query in captured if "SAVEPOINT" not in query["sql"]]
    assert any("django_session" in sql and sql.startswith("UPDATE") for sql in statements)
    assert len(statements) <= 12, "\n".join(statements)

"""The queues of the TDM: conflicts to settle, and write-backs that need somebody."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from contacts.models import HeldValue
from contacts.permissions import SystemRight, grant
from ticketing.models import WriteBack

from ...factories import NOW
from .conftest import account_of, rep_of

pytestmark = pytest.mark.django_db

CONFLICTS, WRITE_BACKS = "/tdm/conflicts/", "/tdm/write-backs/"


def conflict(ref, field="email", says="source@example.org", by=None) -> HeldValue:
    return HeldValue.objects.create(
        system_ref=ref, field=field, source_value=says, by=by, at=NOW,
        differs_since=NOW + dt.timedelta(hours=1),
    )  # fmt: skip


def write_back(ref, state=WriteBack.State.TO_DO, by=None, **more) -> WriteBack:
    is_open = state in (WriteBack.State.WAITING, WriteBack.State.TO_DO)
    return WriteBack.objects.create(
        system_ref=ref, values={"email": "new@example.org"}, before={"email": "old@example.org"}, state=state,
        by=by, at=NOW, settled_at=None if is_open else NOW,
        reason="No." if state == WriteBack.State.REFUSED else "", **more,
    )  # fmt: skip


@pytest.fixture
def ann(person, mlb, minors):
    return person((mlb, {"email": "ours@example.org", "first_name": "Ann"}), (minors, {"first_name": "Ann"}))


@pytest.mark.req("R-SYS-2")
def test_the_queue_names_who_and_both_values_and_shows_nothing_of_hidden_systems(
    as_rep, rep, ann, mlb, minors
):
    mine = conflict(account_of(ann, mlb), by=rep)
    conflict(account_of(ann, minors), says="hidden@example.org")

    response = as_rep.get(CONFLICTS)

    [line] = response.context["lines"]
    assert (line["held"], line["name"], line["field"], line["ours"]) == (
        mine,
        "Ann",
        "e-mail",
        "ours@example.org",
    )
    assert "hidden@example.org" not in response.content.decode()
    assert response.context["count"] == "1"


@pytest.mark.parametrize(("word", "stands"), [("keep", "ours@example.org"), ("take", "source@example.org")])
def test_a_conflict_is_settled_in_the_queue(as_rep, ann, mlb, word, stands):
    ref = account_of(ann, mlb)
    held = conflict(ref)

    response = as_rep.post(
        CONFLICTS, {"settle": f"{word} {held.pk}", f"seen_{held.pk}": "source@example.org"}
    )

    ref.refresh_from_db()
    assert (response.status_code, ref.email) == (302, stands)
    assert as_rep.get(CONFLICTS).context["lines"] == []


def test_a_value_that_was_not_seen_is_not_taken(as_rep, ann, mlb):
    ref = account_of(ann, mlb)
    held = conflict(ref, says="newest@example.org")

    as_rep.post(CONFLICTS, {"settle": f"take {held.pk}", f"seen_{held.pk}": "source@example.org"})

    ref.refresh_from_db()
    assert ref.email == "ours@example.org"
    assert len(as_rep.get(CONFLICTS).context["lines"]) == 1


def test_those_chosen_are_settled_together(as_rep, person, mlb):
    fans = [person((mlb, {"email": "ours@example.org"})) for _ in range(3)]
    held = [conflict(account_of(fan, mlb)) for fan in fans]

    as_rep.post(CONFLICTS, {"settle": "take", "held": [held[0].pk, held[2].pk]})

    emails = [account_of(fan, mlb).email for fan in fans]
    assert emails == ["source@example.org", "ours@example.org", "source@example.org"]


@pytest.mark.req("R-MDB-20", "R-MDB-28", "R-MDB-29")
def test_where_the_right_to_one_of_those_chosen_is_missing_none_is_settled(as_rep, rep, ann, mlb, minors):
    grant(rep, SystemRight.VIEW, on=minors)
    ours, theirs = conflict(account_of(ann, mlb)), conflict(account_of(ann, minors))

    response = as_rep.post(CONFLICTS, {"settle": "take", "held": [ours.pk, theirs.pk]})

    assert response.status_code == 403
    assert HeldValue.objects.conflicts().count() == 2
    assert account_of(ann, mlb).email == "ours@example.org"


def test_a_hidden_conflict_is_answered_as_one_that_is_not_there(as_rep, ann, minors):
    hidden = conflict(account_of(ann, minors))

    answers = [
        as_rep.post(CONFLICTS, {"settle": f"take {pk}"}).status_code for pk in (hidden.pk, hidden.pk + 999)
    ]

    assert answers == [404, 404]
    assert HeldValue.objects.conflicts().count() == 1


def test_a_conflict_settled_on_the_page_of_the_account_leads_back_there(as_rep, ann, mlb):
    ref = account_of(ann, mlb)
    held = conflict(ref)
    page = reverse("tdm:contact", args=[ann.pk])
    shown = as_rep.get(page).content.decode()

    response = as_rep.post(
        CONFLICTS,
        {
            "settle": f"keep {held.pk}",
            "back": ann.pk,
            "account": ref.pk,
            f"seen_{held.pk}": "source@example.org",
        },
    )

    assert "source@example.org" in shown
    assert response.url == f"{page}?account={ref.pk}"


def test_write_backs_are_filtered_by_state_system_and_author(as_rep, rep, ann, mlb, minors):
    grant(rep, SystemRight.VIEW, on=minors)
    mine = write_back(account_of(ann, mlb), by=rep)
    refused = write_back(account_of(ann, mlb), WriteBack.State.REFUSED)
    theirs = write_back(account_of(ann, minors), WriteBack.State.WRITTEN)

    def listed(**asked):
        return [line["write_back"] for line in as_rep.get(WRITE_BACKS, asked).context["lines"]]

    assert listed() == [theirs, refused, mine]
    assert listed(state="open") == [refused, mine]
    assert listed(state="written") == [theirs]
    assert listed(system="MIN") == [theirs]
    assert listed(mine="1") == [mine]
    assert listed(state="nonsense") == []


@pytest.mark.parametrize(
    ("word", "state"), [("done", WriteBack.State.DONE), ("drop", WriteBack.State.DROPPED)]
)
def test_a_task_is_done_or_dropped(as_rep, rep, ann, mlb, word, state):
    task = write_back(account_of(ann, mlb))

    as_rep.post(WRITE_BACKS, {"settle": f"{word} {task.pk}"})

    task.refresh_from_db()
    assert (task.state, task.settled_by) == (state, rep)


@pytest.mark.req("R-MDB-28")
def test_nobody_deals_with_write_backs_of_accounts_they_may_not_change(as_rep, rep, ann, minors):
    task = write_back(account_of(ann, minors))

    hidden = as_rep.post(WRITE_BACKS, {"settle": f"drop {task.pk}"})
    grant(rep, SystemRight.VIEW, on=minors)
    seen = as_rep.post(WRITE_BACKS, {"settle": f"drop {task.pk}"})

    assert (hidden.status_code, seen.status_code) == (404, 403)
    task.refresh_from_db()
    assert task.state == WriteBack.State.TO_DO


@pytest.mark.parametrize("address", [CONFLICTS, WRITE_BACKS])
def test_a_queue_costs_the_same_queries_however_long_it_is(client, person, mlb, address):
    client.force_login(rep_of("reader", mlb))
    costs = []
    for count in (1, 3):
        for _ in range(count):
            ref = account_of(person((mlb, {})), mlb)
            conflict(ref)
            write_back(ref)
        with CaptureQueriesContext(connection) as captured:
            assert client.get(address).status_code == 200
        costs.append(len(captured))

    assert costs[0] == costs[1] <= 12, costs


@pytest.mark.parametrize("address", [CONFLICTS, WRITE_BACKS])
@pytest.mark.parametrize(
    "asked", [{"p": "0"}, {"p": "99"}, {"system": "nonsense"}, {"after": "x"}, {"state": "\x00"}]
)
def test_a_mistyped_address_shows_the_queue_all_the_same(as_rep, address, asked):
    assert as_rep.get(address, asked).status_code == 200

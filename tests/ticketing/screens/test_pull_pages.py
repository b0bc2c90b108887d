"""The page of a pull: its phases, what it says, and the way on when it was held."""

import pytest
from django.urls import reverse
from django_q.models import OrmQ

from contacts.permissions import SystemRight
from ticketing.connection_report import read_run
from ticketing.lag_chart import pull_bars
from ticketing.models import PullAlarm, PullRun

from ...factories import NOW
from ...factories.connections import ConnectionFactory, PullAlarmFactory, PullRunFactory, WaitingRowFactory
from .conftest import client_of, manager_of

pytestmark = pytest.mark.django_db

State, Phase = PullRun.State, PullRun.Phase


def page(run: PullRun, name: str = "change") -> str:
    return reverse(f"admin:ticketing_pullrun_{name}", args=[run.pk])


@pytest.fixture
def held(mlb) -> PullRun:
    """A pull that stopped before it marked 412 accounts."""
    run = PullRunFactory(
        connection=ConnectionFactory(system=mlb),
        state=State.HELD,
        phase=Phase.COMPARE,
        lists_accounts=True,
        message="412 of 2,018 accounts are missing at the source. None was marked.",
    )
    PullAlarmFactory(connection=run.connection, kind=PullAlarm.Kind.TOO_MANY_GONE)
    return run


@pytest.mark.parametrize(
    ("told", "states"),
    [
        ({"state": State.DONE}, ["done", "done", "done", "not this time"]),
        ({"state": State.DONE, "lists_accounts": True}, ["done", "done", "done", "done"]),
        ({"state": State.RUNNING, "phase": Phase.APPLY}, ["done", "under way", "to come", "not this time"]),
        ({"state": State.FAILED, "phase": Phase.PUBLISH}, ["done", "done", "failed", "not this time"]),
        ({"state": State.HELD, "phase": Phase.COMPARE}, ["done", "done", "done", "held"]),
        ({"state": State.DROPPED}, ["dropped", "not reached", "not reached", "not this time"]),
    ],
)
def test_each_phase_says_how_it_stands(told, states):
    run = PullRunFactory(**told)

    assert [phase.state for phase in read_run(run, now=NOW).phases] == states


def test_a_failed_pull_says_what_happened_and_what_to_do(as_manager, mlb):
    run = PullRunFactory(
        connection=ConnectionFactory(system=mlb),
        state=State.FAILED,
        message="The token was refused.",
        advice="Give a new one.",
        counts={"downloaded": 1200},
    )

    shown = as_manager.get(page(run)).text

    assert "The token was refused." in shown
    assert "Give a new one." in shown
    assert "What was read so far is kept." in shown
    assert "1,200" in shown


def test_a_held_pull_is_accepted_by_who_may_pull(
    as_manager, manager, held, django_capture_on_commit_callbacks
):
    shown = as_manager.get(page(held)).text
    with django_capture_on_commit_callbacks(execute=True):
        response = as_manager.post(page(held, "accept"))

    asked = OrmQ.objects.get().task["kwargs"]
    assert "412 of 2,018 accounts are missing at the source." in shown
    assert "Mark them as gone" in shown
    assert response.status_code == 302
    assert (asked["accepts"], asked["by_id"]) == (True, manager.pk)


def test_who_may_only_see_the_system_cannot_accept(held, mlb):
    client = client_of(manager_of(mlb, SystemRight.VIEW))

    assert "Pulling takes the right to change records of MLB." in client.get(page(held)).text
    assert client.post(page(held, "accept")).status_code == 403
    assert not OrmQ.objects.exists()


def test_an_empty_list_is_never_accepted(as_manager, held):
    PullAlarm.objects.update(kind=PullAlarm.Kind.EMPTY_LIST)

    assert "an empty list is never believed" in as_manager.get(page(held)).text
    assert as_manager.post(page(held, "accept")).status_code == 404


def test_a_held_pull_is_superseded_by_one_that_listed_the_accounts_and_by_no_other(as_manager, held):
    PullRunFactory(connection=held.connection)
    connection_page = f"/admin/ticketing/sourceconnection/{held.connection.pk}/change/"
    assert "superseded" not in as_manager.get(page(held)).text
    assert page(held) in as_manager.get(connection_page).text

    PullRunFactory(connection=held.connection, lists_accounts=True)

    assert "superseded: another pull listed the accounts since" in as_manager.get(page(held)).text
    assert as_manager.post(page(held, "accept")).status_code == 404


def test_accepting_is_no_link_to_follow(as_manager, held):
    assert as_manager.get(page(held, "accept")).status_code == 405


def test_the_page_shows_the_rejected_rows_of_its_pull_alone(as_manager, mlb):
    connection = ConnectionFactory(system=mlb)
    first, second = PullRunFactory(connection=connection), PullRunFactory(connection=connection)
    WaitingRowFactory(connection=connection, run=first, key="of-first")
    WaitingRowFactory(connection=connection, run=second, key="of-second")

    shown = as_manager.get(page(first)).text

    assert "of-first" in shown
    assert "of-second" not in shown


def test_the_log_of_pulls_opens_and_filters_by_visible_systems(as_manager, mlb, minors):
    ours = PullRunFactory(connection=ConnectionFactory(system=mlb))
    PullRunFactory(connection=ConnectionFactory(system=minors))
    log = reverse("admin:ticketing_pullrun_changelist")

    assert list(as_manager.get(log, {"system": "MLB"}).context["cl"].result_list) == [ours]
    assert list(as_manager.get(log, {"system": "MIN"}).context["cl"].result_list) == []


def test_the_bars_are_scaled_to_the_longest_lag_and_the_most_rows_oldest_first():
    connection = ConnectionFactory()
    PullRunFactory(connection=connection, lag_seconds=60, counts={"created": 5, "changed": 5})
    PullRunFactory(connection=connection, lag_seconds=120, counts={"unchanged": 9})
    PullRunFactory(connection=connection, state=State.FAILED)

    bars = pull_bars(PullRun.objects.order_by("-pk"))

    assert [(bar.lag_height, bar.rows_height, bar.tone) for bar in bars] == [
        (20, 40, "good"),
        (40, 0, "good"),
        (0, 0, "bad"),
    ]

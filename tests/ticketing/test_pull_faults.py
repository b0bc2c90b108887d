"""A source that fails in the middle of a pull: what came stays, what is missing comes, nothing twice."""

import json
from collections.abc import Iterator

import pytest
from django.utils import timezone

from contacts.models import FieldChange, SystemRef
from tests.factories import NOW, TicketSystemFactory
from ticketing.connectors import KINDS
from ticketing.connectors.base import Capabilities, DataSet, Kind, LoginRefused, Page, Unreachable
from ticketing.models import PullAlarm, PullRun, StagedRow
from ticketing.services.connections import Wanted, save_connection
from ticketing.services.pull import pull

pytestmark = pytest.mark.django_db

State = PullRun.State


class Shaky:
    """A source of pages of two accounts each, which does as it is told at each page it is asked for."""

    capabilities = Capabilities(frozenset([DataSet.ACCOUNTS]))

    def __init__(self) -> None:
        self.accounts = [(f"A{n}", f"Fan{n}") for n in range(10)]
        self.plan: list[Exception | None] = []  # what happens before each page; then all is well
        self.clock = 0

    def cursor(self, data_set: DataSet) -> str:
        self.clock += 1
        return str(self.clock)

    def changed(self, data_set: DataSet, *, since: str, resume: str, overlap: int) -> Iterator[Page]:
        first = json.loads(resume) if resume else 0
        for place in range(max(first - 1, 0), len(self.accounts), 2):  # the row before it comes again
            if self.plan and (fault := self.plan.pop(0)):
                raise fault
            rows = self.accounts[place : place + 2]
            yield Page(("system_ref", "first_name"), rows, resume=json.dumps(place + len(rows)))

    def close(self) -> None:
        pass


@pytest.fixture
def shaky(monkeypatch) -> Shaky:
    source = Shaky()
    monkeypatch.setitem(
        KINDS, "shaky", Kind("shaky", "Shaky", "It fails.", options=(), open=lambda setup: source)
    )
    return source


@pytest.fixture
def connection(shaky):
    return save_connection(TicketSystemFactory(code="SHK"), Wanted("shaky", {}), by=None, now=NOW)


def pulled(connection, waits: list[float] | None = None) -> PullRun:
    waits = [] if waits is None else waits
    return pull(connection, trigger=PullRun.Trigger.SCHEDULE, clock=timezone.now, sleep=waits.append)


def assert_everyone_is_here_once() -> None:
    assert sorted(SystemRef.objects.values_list("system_ref", flat=True)) == [f"A{n}" for n in range(10)]
    assert FieldChange.objects.count() == 10
    assert not StagedRow.objects.exists()


def test_a_dropped_connection_is_tried_again_from_the_page_that_failed(shaky, connection):
    shaky.plan = [None, None, Unreachable("The connection was dropped."), None, Unreachable("Again.")]
    waits: list[float] = []

    run = pulled(connection, waits)

    assert (run.state, run.attempts) == (State.DONE, 1)
    assert waits == [1.0, 1.0]  # it got on in between, so the patience begins anew
    assert_everyone_is_here_once()


def test_a_source_that_asks_for_patience_gets_it(shaky, connection):
    shaky.plan = [Unreachable("Too many requests.", retry_after=42)]
    waits: list[float] = []

    run = pulled(connection, waits)

    assert (run.state, waits) == (State.DONE, [42])


def test_a_source_that_asks_for_an_hour_gets_it_from_the_schedule(shaky, connection):
    shaky.plan = [Unreachable("Closed for the night.", retry_after=3600)]
    waits: list[float] = []

    run = pulled(connection, waits)

    assert (run.state, waits) == (State.FAILED, [])
    assert not PullAlarm.objects.exists()  # the next pull may well do
    assert pulled(connection).state == State.DONE


def test_a_source_that_stays_away_fails_the_pull_and_the_next_one_goes_on_where_it_stopped(shaky, connection):
    shaky.plan = [None, None, *[Unreachable("Nobody answers.")] * 4]
    waits: list[float] = []

    failed = pulled(connection, waits)

    assert (failed.state, failed.message, failed.counts) == (
        State.FAILED,
        "Nobody answers.",
        {"downloaded": 4},
    )
    assert waits == [1.0, 5.0, 20.0]
    assert not SystemRef.objects.exists()
    run = pulled(connection)
    assert (run.pk, run.state, run.attempts) == (failed.pk, State.DONE, 2)
    assert_everyone_is_here_once()
    connection.refresh_from_db()
    assert connection.cursors == {"accounts": "1"}  # as asked when the run began


def test_the_third_failure_raises_an_alarm_and_a_refused_login_at_once(shaky, connection):
    for _ in range(3):
        assert not PullAlarm.objects.exists()
        shaky.plan = [Unreachable("Nobody answers.")] * 4
        pulled(connection)
    assert PullAlarm.objects.get().message == "Nobody answers."
    assert pulled(connection).state == State.DONE
    PullAlarm.objects.all().delete()

    shaky.plan = [LoginRefused("The token is not valid.", advice="Make a new one.")]
    pulled(connection)

    assert PullAlarm.objects.get().message == "The token is not valid. Make a new one."

"""What the cluster does with connections: schedules, hints, what was cut off, and alarms."""

import datetime as dt
import json

import pytest
from django.utils import timezone
from django_q.models import OrmQ, Schedule

from contacts.exclusive import exclusive
from contacts.models import Mapping, SystemRef
from contacts.services.regroup import regroup
from tests.factories import NOW, TicketSystemFactory, UserFactory
from tests.ticketing.sources import Box, connect
from ticketing.connectors import KINDS
from ticketing.connectors.base import Capabilities, DataSet, Kind, Page
from ticketing.models import PullAlarm, PullRun, SourceConnection, SourceHint
from ticketing.services.connections import Wanted, save_connection, set_paused, wanted_of
from ticketing.services.pull_alarms import look_for_late, tell_alarms
from ticketing.services.pull_schedule import next_pull_at
from ticketing.services.tidy_pulls import tidy_pulls
from ticketing.tasks import look_after_pulls, pull

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("local_sources")]


@pytest.fixture
def connection(box):
    return connect(box, TicketSystemFactory(code="BOX"), now=NOW)


def test_a_connection_is_pulled_at_once_and_then_every_hour(connection):
    schedule = Schedule.objects.get(func="ticketing.tasks.pull")

    assert (schedule.next_run, schedule.minutes) == (NOW, 60)
    assert schedule.kwargs == f"connection_id={connection.pk}"


def test_another_interval_keeps_the_schedule_and_a_pause_takes_it_away(connection):
    save_connection(connection.system, wanted_of(connection, every_minutes=15), by=None, now=NOW)
    assert Schedule.objects.get(func="ticketing.tasks.pull").minutes == 15

    set_paused(connection, True, by=None, now=NOW)
    assert next_pull_at(connection) is None
    set_paused(connection, False, by=None, now=NOW)
    assert next_pull_at(connection) == NOW


@pytest.mark.req("R-MDB-4", "R-MDB-7")
def test_by_day_a_new_account_is_placed_as_soon_as_it_is_pulled(box, connection):
    box.customer("1", first_name="Ann", last_name="Marlow", email="ann@example.org")
    pull(connection_id=connection.pk)
    regroup(now=timezone.now())
    second = Box(box.path.with_name("second.sqlite3"))
    other = connect(second, TicketSystemFactory(code="TWO"), now=NOW)
    second.customer("9", first_name="Ann", last_name="Marlow", email="ann@example.org")

    pull(connection_id=other.pk)

    placed = Mapping.objects.values_list("system_ref__system__code", "contact", "is_primary")
    [(_, contact, leads), (_, other_contact, other_leads)] = sorted(placed)
    assert contact == other_contact
    assert (leads, other_leads) == (True, False)


def test_a_task_that_finds_its_connection_being_pulled_leaves_it(box, connection):
    with exclusive(f"pull {connection.pk}"):
        assert "running already" in pull(connection_id=connection.pk)

    assert not PullRun.objects.exists()


def test_a_task_for_somebody_who_may_not_change_the_system_pulls_nothing(box, connection):
    assert "may not" in pull(connection_id=connection.pk, by_id=UserFactory().pk)

    assert not PullRun.objects.exists()


def test_a_task_for_a_connection_that_is_gone_does_nothing():
    assert pull(connection_id=4711) == "Nothing to pull."


def test_a_pull_that_a_killed_process_left_is_asked_for_again(connection, django_capture_on_commit_callbacks):
    left = PullRun.objects.create(
        connection=connection, version=1, trigger=PullRun.Trigger.SCHEDULE, started_at=NOW, worked_at=NOW
    )

    with django_capture_on_commit_callbacks(execute=True):
        look_after_pulls()

    [task] = [queued.task for queued in OrmQ.objects.all()]
    assert (task["func"], task["kwargs"]["connection_id"]) == ("ticketing.tasks.pull", connection.pk)
    pull(**task["kwargs"])
    left.refresh_from_db()
    assert (left.state, left.attempts) == (PullRun.State.DONE, 2)


class _Talkative:
    """A source that knows of one account what its last hint said."""

    capabilities = Capabilities(frozenset([DataSet.ACCOUNTS]), takes_hints=True)
    reread_hints: list[str] = []

    def __init__(self, setup):
        pass

    def reread(self, hints):
        self.reread_hints.extend(hints)
        yield DataSet.ACCOUNTS, Page(("system_ref", "first_name"), [("7", "Hinted")], resume="")

    def close(self):
        pass


@pytest.fixture
def talkative(monkeypatch):
    kind = Kind(
        name="talkative",
        title="Talkative",
        sentence="It hints.",
        options=(),
        open=_Talkative,
        hint_of=lambda payload: str(payload["id"]) if payload.get("id") else None,
    )
    monkeypatch.setitem(KINDS, "talkative", kind)
    monkeypatch.setattr(_Talkative, "reread_hints", [])
    return save_connection(TicketSystemFactory(code="TLK"), Wanted("talkative", {}), by=None, now=NOW)


def hook(client, connection, body, key=None):
    address = f"/hints/{key or connection.hook_key}/"
    return client.post(address, data=json.dumps(body), content_type="application/json")


def test_a_hint_is_only_a_hint_and_what_it_names_is_read_again(
    client, talkative, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        assert hook(client, talkative, {"id": "7", "first_name": "Forged"}).status_code == 204
        assert hook(client, talkative, {"id": "7"}).status_code == 204

    [task] = [queued.task for queued in OrmQ.objects.all()]
    pull(**task["kwargs"])
    assert _Talkative.reread_hints == ["7"]
    assert SystemRef.objects.get().first_name == "Hinted"
    assert not SourceHint.objects.exists()
    assert SourceConnection.objects.get().cursors == {}
    assert pull(**task["kwargs"]) == "Nothing to pull."


def test_a_pull_of_hints_that_was_cut_off_is_finished_before_what_was_asked_for(box, connection):
    left = PullRun.objects.create(
        connection=connection,
        version=1,
        trigger=PullRun.Trigger.HINT,
        since={"hints": "[]"},
        started_at=NOW,
        worked_at=NOW,
    )
    box.customer("1", first_name="Ann")

    pull(connection_id=connection.pk)

    left.refresh_from_db()
    assert (left.state, left.lag_seconds) == (PullRun.State.DONE, None)
    assert SystemRef.objects.get().first_name == "Ann"


def test_a_hint_to_an_unknown_address_is_not_found_and_rubbish_changes_nothing(client, talkative):
    assert hook(client, talkative, {"id": "7"}, key="guessed").status_code == 404
    assert hook(client, talkative, ["no", "object"]).status_code == 204
    assert client.get(f"/hints/{talkative.hook_key}/").status_code == 405

    assert not SourceHint.objects.exists()


def test_a_connection_without_fresh_data_for_three_intervals_raises_one_alarm(connection, mailoutbox):
    UserFactory(is_superuser=True, email="diaz@example.org")
    UserFactory(is_superuser=False, email="rep@example.org")
    SourceConnection.objects.update(fresh_as_of=NOW)

    look_for_late(now=NOW + dt.timedelta(hours=2))
    assert not PullAlarm.objects.exists()
    for hours in (4, 5):
        look_for_late(now=NOW + dt.timedelta(hours=hours))
        tell_alarms(now=NOW + dt.timedelta(hours=hours))

    assert PullAlarm.objects.get().kind == PullAlarm.Kind.LATE
    assert [(mail.to, mail.subject) for mail in mailoutbox] == [
        (["diaz@example.org"], "BOX: no fresh data"),
    ]


def test_the_next_good_pull_ends_the_alarm(box, connection):
    SourceConnection.objects.update(fresh_as_of=NOW)
    look_for_late(now=NOW + dt.timedelta(hours=4))

    pull(connection_id=connection.pk)

    assert PullAlarm.objects.get().over_at is not None


def test_an_alarm_whose_mail_does_not_go_out_is_mailed_later(connection, settings, mailoutbox):
    UserFactory(is_superuser=True, email="diaz@example.org")
    PullAlarm.objects.create(
        connection=connection, kind=PullAlarm.Kind.FAILING, message="Nobody answers.", raised_at=NOW
    )
    backend = settings.EMAIL_BACKEND
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9  # nobody listens there
    assert tell_alarms(now=NOW) == 0
    settings.EMAIL_BACKEND = backend

    assert tell_alarms(now=NOW) == 1
    assert [mail.body for mail in mailoutbox] == ["Nobody answers."]


def test_the_night_forgets_old_pulls_and_rejected_rows_that_nobody_mended(connection):
    def run(**ended):
        return PullRun.objects.create(
            connection=connection, version=1, trigger="schedule", started_at=NOW, worked_at=NOW, **ended
        )

    old, fresh = run(ended_at=NOW - dt.timedelta(days=91)), run(ended_at=NOW)
    for key, days in (("old", 31), ("fresh", 29)):
        since = NOW - dt.timedelta(days=days)
        connection.waiting_rows.create(
            data_set="accounts", key=key, row={}, reason="It is blank.", since=since, tried_at=NOW, run=old
        )

    told = tidy_pulls(now=NOW)

    assert told == {"pulls": 1, "alarms": 0, "rejected_rows": 1}
    assert list(PullRun.objects.all()) == [fresh]
    assert [row.key for row in connection.waiting_rows.all()] == ["fresh"]

"""The screens of the nights: the list, one night with live progress, a night on request."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django_q.models import OrmQ, Schedule

from contacts.exclusive import exclusive
from contacts.models import Organisation, TicketSystem
from contacts.next_night import next_night_at
from contacts.permissions import ADMINISTRATORS, DATA_PROTECTION_OFFICERS, SystemRight, grant
from kore_site.roles import CRM_MANAGERS, SALES_REPS
from sync.models import NightRun
from sync.night_charts import night_bars, step_times
from sync.night_report import Totals, morning_report, read_night
from sync.services.request_night import (
    NIGHT_TASK,
    NightIsFiled,
    NightIsUnderWay,
    cluster_signs,
    request_night,
)
from sync.services.run_night import THE_NIGHT

from ..factories import NOW, MappingFactory, SystemRefFactory, UserFactory
from ..factories.nights import NightRunFactory, NightStepFactory

pytestmark = pytest.mark.django_db

LIST = reverse("admin:sync_nightrun_changelist")
RUN = reverse("admin:sync_nightrun_run")


def page_of(run: NightRun) -> str:
    return reverse("admin:sync_nightrun_change", args=[run.pk])


def progress_of(run: NightRun) -> str:
    return reverse("admin:sync_nightrun_progress", args=[run.pk])


def test_a_night_reads_its_steps_in_order_with_totals_and_time_left():
    run = NightRunFactory(state="running", started_at=NOW)
    NightStepFactory(
        run=run,
        position=2,
        name="Golden values",
        state="running",
        done=250,
        total=1000,
        started_at=NOW + dt.timedelta(seconds=30),
    )
    NightStepFactory(
        run=run, position=1, name="Group", seconds=30, counts={"joined": 7, "split": 2, "held": 1, "refs": 90}
    )

    night = read_night(run, now=NOW + dt.timedelta(seconds=40))

    assert night.is_running
    assert (night.seconds, night.totals, night.steps_done) == (40, Totals(joined=7, split=2, held=1), 1)
    group, golden = night.steps
    assert (group.name, group.state, group.tone, group.percent) == ("Group", "done", "good", 100)
    assert (golden.tone, golden.percent, golden.seconds, golden.seconds_left) == ("busy", 25, 10, 30)


def test_the_bars_run_from_the_oldest_night_and_a_small_one_is_not_nothing():
    quiet = NightStepFactory(run__started_at=NOW, counts={"joined": 1}).run
    busy = NightStepFactory(
        run__started_at=NOW + dt.timedelta(days=1), counts={"joined": 900, "split": 100}
    ).run
    idle = NightRunFactory(started_at=NOW + dt.timedelta(days=2))

    bars = night_bars([read_night(run, now=NOW) for run in (idle, busy, quiet)])

    assert [bar.line.run for bar in bars] == [quiet, busy, idle]
    assert [(bar.joined_height, bar.split_height) for bar in bars] == [(2, 0), (34, 4), (0, 0)]


def test_a_step_is_drawn_night_by_night_with_what_is_usual_for_it():
    for number, seconds in enumerate((4, 2, 40)):
        NightStepFactory(run__started_at=NOW + dt.timedelta(days=number), name="Group", seconds=seconds)
    NightStepFactory(
        run__started_at=NOW + dt.timedelta(days=3), name="Group", state="failed", seconds=1, error="No."
    )
    NightStepFactory(run__state="running", run__started_at=NOW + dt.timedelta(days=4), state="running")

    (times,) = step_times([read_night(run, now=NOW) for run in NightRun.objects.all()])

    assert (times.name, times.last, times.usual, times.longest) == ("Group", None, 4, 40)
    assert [spark.height for spark in times.sparks] == [2, 2, 20, 0]


def test_before_any_night_has_ended_no_step_is_drawn():
    assert step_times([read_night(NightRunFactory(state="running"), now=NOW)]) == []


def test_in_the_morning_a_night_tells_what_it_did_what_failed_and_what_was_left_out():
    run = NightRunFactory(state="failed")
    NightStepFactory(run=run, name="Group", counts={"refs": 90, "joined": 7, "split": 0})
    NightStepFactory(run=run, name="Recount", counts={"repaired": 0})
    NightStepFactory(run=run, name="Check", state="failed", error="Broken.")
    NightStepFactory(run=run, name="Report", state="waiting")

    report = morning_report(read_night(run, now=NOW))

    assert (report.did, report.quiet) == ([("Group", [("joined", 7)])], ["Recount"])
    assert [(step.name, step.error) for step in report.failed] == [("Check", "Broken.")]
    assert (report.held, report.left_out) == ([], ["Report"])
    assert morning_report(read_night(NightRunFactory(state="running"), now=NOW)) is None


def test_a_night_that_nobody_is_at_is_shown_as_cut_off(client):
    run = NightRunFactory(state="running")
    NightStepFactory(run=run, state="running", started_at=run.started_at)
    client.force_login(UserFactory(role=CRM_MANAGERS))

    cut_off = [client.get(address).text for address in (LIST, page_of(run))]
    with exclusive(THE_NIGHT):
        at_work = [client.get(address).text for address in (LIST, page_of(run))]

    assert all("cut off" in page.replace("failed or cut off", "") for page in cut_off)
    assert not any("cut off" in page.replace("failed or cut off", "") for page in at_work)


@pytest.mark.parametrize(
    ("now", "begins"),
    [
        ("2026-07-01T00:30:00+00:00", "2026-07-01T02:00:00+01:00"),  # 01:30 in London's summer
        ("2026-07-01T01:00:00+00:00", "2026-07-02T02:00:00+01:00"),  # at the very moment: the next one
        ("2026-10-24T12:00:00+00:00", "2026-10-25T02:00:00+00:00"),  # over the end of summer time
    ],
)
def test_the_next_night_is_told_in_the_organisations_time_zone(now, begins):
    organisation = Organisation(time_zone="Europe/London", night_at=dt.time(2, 0))

    told = next_night_at(organisation, now=dt.datetime.fromisoformat(now))

    assert told.isoformat() == begins


@pytest.mark.parametrize(
    ("role", "status"),
    [
        (ADMINISTRATORS, 200),
        (CRM_MANAGERS, 200),
        (SALES_REPS, 403),
        (DATA_PROTECTION_OFFICERS, 403),
        (None, 403),
    ],
)
def test_the_nights_are_open_to_those_who_steer_alone(client, role, status):
    run = NightStepFactory().run
    client.force_login(UserFactory(role=role))

    assert [client.get(path).status_code for path in (LIST, page_of(run), RUN)] == [status] * 3
    assert client.get(progress_of(run)).status_code == (286 if status == 200 else 403)


@pytest.mark.parametrize("rows", [1, 3])
def test_the_list_of_nights_takes_the_same_queries_for_one_and_for_three(client, rows):
    client.force_login(UserFactory(role=CRM_MANAGERS))
    client.get(LIST)

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            client.get(LIST)
        return len(captured)

    NightStepFactory(counts={"joined": 1})
    for_one = queries()
    for _ in range(rows - 1):
        NightStepFactory.create_batch(2, run=NightRunFactory(by=UserFactory()))

    assert queries() == for_one


def test_a_nights_page_shows_each_step_in_words_with_counts_and_errors(client):
    run = NightRunFactory(state="failed", resumed=2)
    NightStepFactory(run=run, name="Compare and group", counts={"joined": 1234}, seconds=61)
    NightStepFactory(
        run=run, name="Golden values", state="failed", error="The disk is full.", done=1, total=2
    )
    NightStepFactory(run=run, name="Check invariants", state="waiting")
    NightStepFactory(run=run, name="Tidy up", counts={"rule_trials": 4})
    client.force_login(UserFactory(role=CRM_MANAGERS))

    page = client.get(page_of(run)).text

    assert "dry runs dropped" in page
    for shown in ("Compare and group", "1,234", "1 min 01 s", "The disk is full.", "waiting", "2 times"):
        assert shown in page
    assert progress_of(run) not in page


def test_a_running_nights_page_asks_for_its_progress_until_it_is_done(client):
    run = NightRunFactory(state="running")
    NightStepFactory(run=run, state="running", done=1, total=4, started_at=run.started_at)
    client.force_login(UserFactory(role=CRM_MANAGERS))

    assert f'hx-get="{progress_of(run)}"' in client.get(page_of(run)).text
    assert "25 %" in client.get(progress_of(run)).text

    run.steps.update(state="done")
    NightRun.objects.update(state="done", finished_at=NOW)
    finished = client.get(progress_of(run))
    assert finished.status_code == 286
    assert "<html" not in finished.text


def test_progress_is_refused_and_not_led_to_the_sign_in_page_when_the_session_ends(client):
    assert client.get(progress_of(NightRunFactory(state="running"))).status_code == 403


def test_a_night_that_is_not_there_is_404(client):
    client.force_login(UserFactory(role=CRM_MANAGERS))

    assert client.get(reverse("admin:sync_nightrun_change", args=[4711])).status_code == 404
    assert client.get(reverse("admin:sync_nightrun_progress", args=["x"])).status_code == 404


@pytest.mark.req("R-SYS-4")
def test_run_now_says_what_will_happen_then_files_a_task_and_does_nothing_in_the_request(client):
    MappingFactory()
    waiting = SystemRefFactory()
    manager = UserFactory(role=CRM_MANAGERS)
    for system in TicketSystem.objects.all():
        grant(manager, SystemRight.VIEW, on=system)
    client.force_login(manager)

    asked = client.get(RUN)
    assert (asked.context["refs"], asked.context["unplaced"]) == (2, 1)
    assert not OrmQ.objects.exists()

    answer = client.post(RUN, follow=True)

    [task] = OrmQ.objects.all()
    assert task.task["func"] == NIGHT_TASK
    assert task.task["kwargs"] == {"trigger": "hand", "by_id": manager.pk}
    assert not NightRun.objects.exists()
    assert not hasattr(waiting, "mapping")
    assert "waits for the cluster" in answer.text


@pytest.mark.req("R-MDB-16", "R-MDB-33")
def test_how_much_the_organisation_has_is_told_to_those_alone_who_see_every_system(client):
    SystemRefFactory.create_batch(3)
    run = NightStepFactory(
        name="Group", done=31415, total=31415, counts={"refs": 31415, "contacts": 27182, "joined": 4}
    ).run
    told = {}

    for name, user in {
        "manager": UserFactory(role=CRM_MANAGERS),
        "superuser": UserFactory(is_superuser=True),
    }.items():
        client.force_login(user)
        night, asked = client.get(page_of(run)).text, client.get(RUN).text
        told[name] = ["31,415" in night, "27,182" in night, "all <b>3</b> System Refs" in asked]
        assert "<b>4</b> joined" in night
        assert "It compares all " in asked

    assert told == {"manager": [False] * 3, "superuser": [True] * 3}


def test_asking_twice_files_one_night(client):
    client.force_login(UserFactory(role=CRM_MANAGERS))
    client.post(RUN)

    again = client.post(RUN, follow=True)

    assert OrmQ.objects.count() == 1
    assert "filed already" in again.text


def test_a_running_night_is_shown_instead_of_another_one(client):
    run = NightRunFactory(state="running")
    client.force_login(UserFactory(role=CRM_MANAGERS))

    assert client.post(RUN).url == page_of(run)
    assert "running already" in client.get(RUN).text
    assert not OrmQ.objects.exists()


def test_somebody_who_may_see_nights_but_not_ask_for_one_is_refused(client):
    officer = UserFactory(role=DATA_PROTECTION_OFFICERS)
    client.force_login(officer)

    assert client.post(RUN).status_code == 403
    assert not OrmQ.objects.exists()


def test_the_service_refuses_by_name():
    manager = UserFactory(role=CRM_MANAGERS)
    request_night(by=manager, now=timezone.now())
    with pytest.raises(NightIsFiled):
        request_night(by=manager, now=timezone.now())

    NightRunFactory(state="running")
    with pytest.raises(NightIsUnderWay):
        request_night(by=manager, now=timezone.now())


def test_work_left_lying_or_a_schedule_overdue_shows_that_no_cluster_runs():
    Schedule.objects.all().delete()  # those of the migration are overdue once the tests run for long
    now = timezone.now()
    assert not cluster_signs(now=now).is_silent

    schedule = Schedule.objects.create(func="x", schedule_type="D", next_run=now - dt.timedelta(minutes=3))
    assert cluster_signs(now=now).is_silent
    schedule.delete()

    request_night(by=UserFactory(), now=now)
    soon, later = (timezone.now() + dt.timedelta(seconds=more) for more in (5, 60))
    assert not cluster_signs(now=soon).is_silent
    assert cluster_signs(now=later).is_silent
    assert cluster_signs(now=later).filed_at is not None


def test_the_page_says_when_no_cluster_takes_the_work(client):
    Schedule.objects.create(func="x", schedule_type="D", next_run=timezone.now() - dt.timedelta(minutes=3))
    client.force_login(UserFactory(role=CRM_MANAGERS))

    assert "manage.py qcluster" in client.get(LIST).text

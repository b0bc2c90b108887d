"""When the next night begins: the organisation's hour, summer time and all, and once after a miss."""

import datetime as dt

import pytest
from django_q.models import Schedule

from contacts.models import Organisation
from sync.services.schedules import NIGHT, PLAN, RESUME, WRITE_BACK, ensure_schedules, plan_next_night

pytestmark = pytest.mark.django_db


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def the_night() -> Schedule:
    return Schedule.objects.get(name=NIGHT)


@pytest.fixture
def london():
    Organisation.load()
    Organisation.objects.update(time_zone="Europe/London", night_at=dt.time(2, 0))


@pytest.mark.parametrize(
    ("now", "begins"),
    [
        ("2026-03-02T12:00", "2026-03-03T02:00"),
        ("2026-03-28T12:00", "2026-03-29T01:00"),  # clocks went forward at one: two o'clock is summer time
        ("2026-10-24T12:00", "2026-10-25T02:00"),
        ("2026-07-01T00:30", "2026-07-01T01:00"),
        ("2026-07-01T01:00", "2026-07-02T01:00"),
    ],
)
def test_the_next_night_begins_at_the_organisations_hour(london, now, begins):
    plan_next_night(now=at(now))

    assert the_night().next_run == at(begins)


@pytest.mark.parametrize(
    ("now", "begins"),
    [
        ("2026-03-28T12:00", "2026-03-29T01:30"),  # 01:30 does not exist that night
        ("2026-10-24T12:00", "2026-10-25T00:30"),  # 01:30 comes twice
        ("2026-10-25T00:50", "2026-10-26T01:30"),  # the night is over before it comes again
        ("2026-10-25T01:10", "2026-10-26T01:30"),
    ],
)
def test_an_hour_that_the_clocks_skip_or_repeat_gives_one_night(london, now, begins):
    Organisation.objects.update(night_at=dt.time(1, 30))

    plan_next_night(now=at(now))

    assert the_night().next_run == at(begins)


def test_a_night_that_was_missed_stays_due_until_it_has_run(london):
    plan_next_night(now=at("2026-03-02T12:00"))

    ensure_schedules(now=at("2026-03-05T09:00"))

    assert the_night().next_run == at("2026-03-03T02:00")


def test_each_schedule_stands_once_however_often_they_are_ensured(london):
    for _start in range(2):
        ensure_schedules(now=at("2026-03-02T12:00"))

    assert sorted(Schedule.objects.values_list("name", "func")) == [
        (NIGHT, "sync.tasks.run_night"),
        (RESUME, "sync.tasks.take_up"),
        (PLAN, "sync.tasks.plan_when_changed"),
        (WRITE_BACK, "ticketing.tasks.sweep_write_backs"),
    ]

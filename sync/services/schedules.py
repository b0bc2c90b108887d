"""What the cluster does by the clock: the night in the organisation's own time, and taking up dead work."""

from datetime import datetime, timedelta

from django_q.models import Schedule

from contacts.models import Organisation
from contacts.next_night import next_night_at

NIGHT = "Night"
RESUME = "Take up what was cut off"
WRITE_BACK = "Write back what waits"
PLAN = "Tonight's plan"
MINUTES_BETWEEN_LOOKS = 5
MINUTES_BETWEEN_PLANS = 60


def ensure_schedules(*, now: datetime) -> None:
    """The schedules stand. One that stands is left alone: a night missed while no cluster ran is due."""
    Schedule.objects.get_or_create(
        name=NIGHT,
        defaults={
            "func": "sync.tasks.run_night",
            "schedule_type": Schedule.DAILY,
            "next_run": next_night_at(Organisation.load(), now=now),
        },
    )
    for name, task, minutes in (
        (RESUME, "sync.tasks.take_up", MINUTES_BETWEEN_LOOKS),
        (WRITE_BACK, "ticketing.tasks.sweep_write_backs", MINUTES_BETWEEN_LOOKS),
        (PLAN, "sync.tasks.plan_when_changed", MINUTES_BETWEEN_PLANS),
    ):
        Schedule.objects.get_or_create(
            name=name,
            defaults={
                "func": task,
                "schedule_type": Schedule.MINUTES,
                "minutes": minutes,
                "next_run": now + timedelta(minutes=minutes),
            },
        )


def plan_next_night(*, now: datetime) -> datetime:
    """Put the night's schedule on its next moment, and say which; call it when its hour is changed.

    The queue adds days by the server's zone; this is by the organisation's, summer time and all.
    """
    ensure_schedules(now=now)
    begins = next_night_at(Organisation.load(), now=now)
    Schedule.objects.filter(name=NIGHT).update(next_run=begins)
    return begins

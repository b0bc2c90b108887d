"""The schedule of each connection in the cluster: one line a connection, none while it is paused."""

from datetime import datetime, timedelta

from django.db import transaction
from django_q.models import Schedule
from django_q.tasks import async_task

from ticketing.models import PullRun, SourceConnection

TASK = "ticketing.tasks.pull"


def keep_schedule(connection: SourceConnection, *, now: datetime) -> None:
    """Let the schedule stand as the connection says; one that stands keeps its next moment where it may."""
    name = schedule_name(connection)
    if connection.is_paused:
        Schedule.objects.filter(name=name).delete()
        return
    schedule, is_new = Schedule.objects.get_or_create(
        name=name,
        defaults={
            "func": TASK,
            "kwargs": f"connection_id={connection.pk}",
            "schedule_type": Schedule.MINUTES,
            "minutes": connection.every_minutes,
            "next_run": now,
        },
    )
    if not is_new and schedule.minutes != connection.every_minutes:
        schedule.minutes = connection.every_minutes
        schedule.next_run = min(schedule.next_run, now + timedelta(minutes=connection.every_minutes))
        schedule.save(update_fields=["minutes", "next_run"])


def schedule_name(connection: SourceConnection) -> str:
    """What the schedule of a connection is called."""
    return f"Pull {connection.pk}"


def next_pull_at(connection: SourceConnection) -> datetime | None:
    """When the schedule pulls next; None while it is paused."""
    found = Schedule.objects.filter(name=schedule_name(connection)).values_list("next_run", flat=True)
    return found.first()


def request_pull(
    connection: SourceConnection,
    *,
    trigger: PullRun.Trigger,
    by_id: int | None = None,
    is_full: bool = False,
    accepts: bool = False,
) -> None:
    """Ask the cluster for a pull once this transaction is committed; a second one finds the first at work."""
    transaction.on_commit(
        lambda: async_task(
            TASK,
            connection_id=connection.pk,
            trigger=trigger.value,
            by_id=by_id,
            is_full=is_full,
            accepts=accepts,
            task_name=f"pull {connection.pk}",
        )
    )

"""Looks after write-backs: what was put off or whose task was lost is tried, what is done is found out."""

from collections.abc import Iterator
from datetime import datetime

from django.db import transaction

from contacts.models import HeldValue
from contacts.models.history import as_text
from contacts.services.arrivals import chunks_of
from ticketing.models import SourceConnection, WriteBack
from ticketing.services.carry_out import carry_out
from ticketing.services.confirm_written import confirm_written
from ticketing.services.pull_alarms import tell_alarms
from ticketing.services.pull_download import Clock
from ticketing.services.write_back_alarms import look_at_waiting
from ticketing.services.write_backs import State, locked


def sweep(*, clock: Clock) -> int:
    """Carry out what is due, connection by connection; returns how many write-backs were looked at.

    What was written and not brought by a pull since is looked at again. What waits for a connection that is
    gone becomes a task for people; a task whose source says by now what
    was wanted is done. Alarms are raised and mailed. Safe to run twice and at once.
    """
    _hand_over_what_nobody_writes()
    note_done_at_source(now=clock())
    count = 0
    told = WriteBack.objects.filter(state__in=(State.WAITING, State.WRITTEN)).values("system_ref__system")
    for connection in SourceConnection.objects.filter(system__in=told).select_related("system"):
        count += carry_out(connection, clock=clock)
        confirm_written(connection, clock=clock)
        look_at_waiting(connection, now=clock())
    tell_alarms(now=clock())
    return count


def note_done_at_source(*, now: datetime) -> int:
    """Settle the tasks whose source has said what was wanted since; returns how many."""
    return sum(_note_done(task, now=now) for task in _agreed_tasks())


def _agreed_tasks() -> Iterator[WriteBack]:
    """Tasks none of whose fields a hand edit holds any more, and which all stand as they were wanted."""
    tasks = WriteBack.objects.filter(state=State.TO_DO).order_by("pk").select_related("system_ref")
    for some in chunks_of(tasks.iterator()):
        held = HeldValue.objects.filter(system_ref__in=[task.system_ref_id for task in some])
        held_fields = set(held.values_list("system_ref", "field"))
        for task in some:
            if not any((task.system_ref_id, name) in held_fields for name in task.values) and _stands(task):
                yield task


def _stands(task: WriteBack) -> bool:
    return all(as_text(getattr(task.system_ref, name)) == value for name, value in task.values.items())


@transaction.atomic
def _note_done(task: WriteBack, *, now: datetime) -> bool:
    stands = locked(task)
    if stands.state != State.TO_DO or stands.values != task.values:
        return False
    stands.state, stands.settled_at = State.DONE, now
    stands.save(update_fields=["state", "settled_at"])
    return True


def _hand_over_what_nobody_writes() -> None:
    orphans = WriteBack.objects.filter(state=State.WAITING, system_ref__system__source_connection=None)
    orphans.update(
        state=State.TO_DO, try_after=None, reason="The system has no connection any more.", advice=""
    )

"""What the cluster does for ticketing: pulls and write-backs; each task may run twice."""

import logging

from django.contrib.auth.models import User
from django.utils import timezone

from contacts.exclusive import AlreadyRunning
from contacts.services.placement import place_new_refs
from ticketing.models import PullRun, SourceConnection, WriteBack
from ticketing.services.carry_out import carry_out
from ticketing.services.connections import MayNotConnect
from ticketing.services.pull import pull as pull_now
from ticketing.services.pull_alarms import look_for_late, tell_alarms
from ticketing.services.pull_progress import is_pulling
from ticketing.services.pull_schedule import request_pull
from ticketing.services.sweep_write_backs import sweep

logger = logging.getLogger(__name__)


def pull(
    *,
    connection_id: int,
    trigger: str = PullRun.Trigger.SCHEDULE.value,
    by_id: int | None = None,
    is_full: bool = False,
    accepts: bool = False,
) -> str:
    """Pull one connection, then place what is new; a second task finds the first at work and leaves it."""
    connection = SourceConnection.objects.select_related("system").filter(pk=connection_id).first()
    if connection is None or _has_nothing_to_do(connection, trigger):
        return "Nothing to pull."
    by = User.objects.filter(pk=by_id).first() if by_id else None
    try:
        run = pull_now(
            connection,
            trigger=PullRun.Trigger(trigger),
            by=by,
            is_full=is_full,
            accepts=accepts,
            clock=timezone.now,
        )
    except (AlreadyRunning, MayNotConnect) as refusal:
        logger.info("%s", refusal)
        return str(refusal)
    if run.counts.get("created"):
        place_new_refs(now=timezone.now())
    return f"{run}: {run.state}"


def look_after_pulls() -> str:
    """Take up the pulls that a killed process left, and raise and mail alarms; by schedule."""
    left = [
        run
        for run in PullRun.objects.filter(state=PullRun.State.RUNNING).select_related("connection")
        if not is_pulling(run)
    ]
    for run in left:
        request_pull(run.connection, trigger=PullRun.Trigger(run.trigger), by_id=run.by_id)
    now = timezone.now()
    late = look_for_late(now=now)
    return f"{len(left)} pulls taken up, {late} late, {tell_alarms(now=now)} alarms mailed."


def write_back(*, write_back_id: int) -> str:
    """Write what waits for the source of this write-back, which is among it; a second task finds nothing."""
    found = WriteBack.objects.filter(pk=write_back_id).select_related("system_ref").first()
    connection = found and SourceConnection.objects.filter(system=found.system_ref.system_id).first()
    if not connection:
        return "Nothing to write."
    return f"{carry_out(connection, clock=timezone.now)} looked at."


def sweep_write_backs() -> str:
    """Try again what waits to be written, and find out what is done; by schedule."""
    return f"{sweep(clock=timezone.now)} looked at."


def _has_nothing_to_do(connection: SourceConnection, trigger: str) -> bool:
    """Whether the hints that this was asked for have been read already."""
    is_hinted = trigger == PullRun.Trigger.HINT.value
    return is_hinted and not connection.hints.exists() and not connection.runs.unfinished().exists()

"""Alarms about changes that do not reach their source: told to those who may steer its connection."""

from datetime import datetime, timedelta

from django.db.models import Min, Q

from ticketing.connectors.base import Conflict, SourceError
from ticketing.models import PullAlarm, SourceConnection, WriteBack
from ticketing.services.pull_alarms import clear_alarms, raise_alarm

MOST_ATTEMPTS = 12
LONGEST_WAIT = timedelta(hours=24)
_UNSENT = PullAlarm.Kind.UNSENT


def tell_trouble(connection: SourceConnection, error: SourceError, *, now: datetime) -> None:
    """Raise the alarm at once for what will not pass by itself."""
    if not isinstance(error, Conflict):
        raise_alarm(connection, _UNSENT, f"{error} {error.advice}".strip(), now=now)


def look_at_waiting(connection: SourceConnection, *, now: datetime) -> None:
    """Raise the alarm for what waits too long; it is over once nothing waits that was tried or is late."""
    waiting = WriteBack.objects.filter(system_ref__system=connection.system_id, state=WriteBack.State.WAITING)
    late = waiting.filter(Q(attempts__gte=MOST_ATTEMPTS) | Q(at__lte=now - LONGEST_WAIT))
    if late.exists():
        oldest = late.aggregate(at=Min("at"))["at"]
        why = "The connection is paused." if connection.is_paused else late.order_by("pk")[0].reason
        said = f"{late.count():,} changes wait to be written, the oldest since {oldest:%Y-%m-%d %H:%M} UTC."
        raise_alarm(connection, _UNSENT, f"{said} {why}".strip(), now=now)
    elif not waiting.filter(attempts__gt=0).exists():
        clear_alarms(connection, _UNSENT, now=now)

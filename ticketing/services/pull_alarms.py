"""Alarms of connections: raised once, told by e-mail to those who may steer pulls, over when it is well."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.core.mail import send_mail
from django.db import transaction
from django.db.models import Q

from contacts.permissions import SystemRight, holds
from ticketing.models import PullAlarm, PullRun, SourceConnection

log = logging.getLogger(__name__)

ATTEMPTS_BEFORE_ALARM = 3
FEW_REJECTED = 20
MOST_REJECTED_SHARE = 0.05
_LATE_AFTER = 3  # intervals
_STEER = "pull_sourceconnection"


def raise_alarm(connection: SourceConnection, kind: PullAlarm.Kind, message: str, *, now: datetime) -> None:
    """Let the alarm stand; one of this kind that stands gets the newer words, and is not told anew."""
    alarm, is_new = PullAlarm.objects.get_or_create(
        connection=connection, kind=kind, over_at=None, defaults={"message": message, "raised_at": now}
    )
    if not is_new and alarm.message != message:
        alarm.message = message
        alarm.save(update_fields=["message"])


def clear_alarms(connection: SourceConnection, *kinds: PullAlarm.Kind, now: datetime) -> None:
    """Say that it is well again."""
    connection.alarms.filter(kind__in=kinds, over_at=None).update(over_at=now)


def look_at(run: PullRun, *, is_lasting: bool, now: datetime) -> None:
    """Raise or clear what a run that has just ended or failed says of its connection.

    `is_lasting`: the failure will not go away by itself, so the first one is told at once.
    """
    Kind = PullAlarm.Kind
    if run.state == PullRun.State.FAILED:
        if is_lasting or run.attempts >= ATTEMPTS_BEFORE_ALARM:
            raise_alarm(run.connection, Kind.FAILING, f"{run.message} {run.advice}".strip(), now=now)
        return
    clear_alarms(run.connection, Kind.FAILING, Kind.LATE, now=now)
    rejected, downloaded = run.counts.get("rejected", 0), run.counts.get("downloaded", 0)
    if rejected > max(FEW_REJECTED, downloaded * MOST_REJECTED_SHARE):
        said = f"{rejected:,} of {downloaded:,} rows were rejected in one pull."
        raise_alarm(run.connection, Kind.REJECTED, said, now=now)
    elif not run.connection.waiting_rows.exists():
        clear_alarms(run.connection, Kind.REJECTED, now=now)


def look_for_late(*, now: datetime) -> int:
    """Raise an alarm for each connection without fresh data for three of its intervals; returns how many."""
    late = 0
    for connection in SourceConnection.objects.filter(is_paused=False).exclude(fresh_as_of=None):
        age = now - (connection.fresh_as_of or now)
        if age > timedelta(minutes=_LATE_AFTER * connection.every_minutes):
            hours = age.total_seconds() / 3600
            said = f"Nothing fresh came for {hours:,.1f} hours. Is the background cluster running?"
            raise_alarm(connection, PullAlarm.Kind.LATE, said, now=now)
            late += 1
    return late


def tell_alarms(*, now: datetime) -> int:
    """Mail each alarm that stands and was not told yet, once; returns how many. A mail that fails is tried
    again at the next call, and holds nothing up."""
    told = 0
    untold = PullAlarm.objects.filter(over_at=None, told_at=None)
    for alarm in untold.select_related("connection__system").order_by("pk"):
        told += _tell(alarm, _recipients(alarm), now=now)
    return told


def _recipients(alarm: PullAlarm) -> Sequence[str]:
    """Who may steer this connection's pulls and has an e-mail address."""
    may = (
        Q(is_superuser=True) | Q(groups__permissions__codename=_STEER) | Q(user_permissions__codename=_STEER)
    )
    people = User.objects.filter(may, is_active=True).exclude(email="").distinct()
    system = alarm.connection.system
    return sorted(person.email for person in people if holds(person, SystemRight.VIEW, system))


@transaction.atomic
def _tell(alarm: PullAlarm, recipients: Sequence[str], *, now: datetime) -> bool:
    """Mark it as told and send it: the mark goes where the mail does not."""
    if not recipients or not PullAlarm.objects.filter(pk=alarm.pk, told_at=None).update(told_at=now):
        return False
    subject = f"{alarm.connection.system.code}: {alarm.get_kind_display()}"
    try:
        with transaction.atomic():
            send_mail(subject, alarm.message, None, list(recipients))
    except OSError:
        log.exception("An alarm could not be mailed; it is tried again.")
        PullAlarm.objects.filter(pk=alarm.pk).update(told_at=None)
        return False
    return True

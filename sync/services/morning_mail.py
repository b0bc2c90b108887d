"""The morning report by e-mail: once for each night, to who may see the nights; ids and counts alone."""

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.core.mail import get_connection, send_mail
from django.db.models import Q
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.timezone import get_current_timezone_name, localtime

from contacts.permissions import sees_every_system
from sync.models import NightRun
from sync.models.night import RunState
from sync.morning_requests import requests_report
from sync.night_report import morning_report, read_night

_SEE_NIGHTS = "view_nightrun"
# An older night is no news any more, such as one from before a restored backup.
NEWS_FOR = timedelta(hours=24)
_ENDED = (RunState.DONE, RunState.FAILED, RunState.HELD)
log = logging.getLogger(__name__)


def mail_reports(*, now: datetime) -> int:
    """Tell of each night that ended and was not told of yet; returns how many e-mails went out.

    No failure of the mail server reaches the caller: where none of a night's went out, the next call tries
    again. Two callers at once send each report once. Nothing personal is written: it leaves the house.
    """
    untold = NightRun.objects.filter(told_at=None, state__in=_ENDED, finished_at__gt=now - NEWS_FOR)
    return sum(_tell(run, now=now) for run in untold.order_by("pk"))


def recipients() -> Sequence[User]:
    """Who may see the nights and has an e-mail address, in the order of their names."""
    may = Q(is_superuser=True) | _holds("groups__permissions") | _holds("user_permissions")
    people = User.objects.filter(may, is_active=True).exclude(email="").distinct()
    return list(people.order_by("username"))


def report_for(user: User, run: NightRun, *, now: datetime) -> str:
    """The report as this person may read it.

    How much a night did in all is told to who sees every system; to others, which steps did something, and
    the requests of which they may see every account.
    """
    night = read_night(run, now=now)
    is_last = not NightRun.objects.filter(pk__gt=run.pk).exists()
    return render_to_string(
        "nights/morning_mail.txt",
        {
            "night": night,
            "report": morning_report(night),
            "requests": requests_report(run, user=user, is_last=is_last, now=now),
            "sees_all": sees_every_system(user),
            "time_zone": get_current_timezone_name(),
            "address": f"{_site()}{reverse('admin:sync_nightrun_change', args=[run.pk])}",
        },
    )


def _site() -> str:
    """Where Kore stands, of what the settings know; blank where they name no one address."""
    origins = settings.CSRF_TRUSTED_ORIGINS
    return str(origins[0]).rstrip("/") if origins and "*" not in origins[0] else ""


def _holds(path: str) -> Q:
    return Q(**{f"{path}__codename": _SEE_NIGHTS, f"{path}__content_type__app_label": "sync"})


def _tell(run: NightRun, *, now: datetime) -> int:
    people = recipients()
    if not people or not NightRun.objects.filter(pk=run.pk, told_at=None).update(told_at=now):
        return 0
    subject = f"Night of {localtime(run.started_at):%-d %B %Y}: {run.get_state_display()}"
    sent = _send(subject, ((user.email, report_for(user, run, now=now)) for user in people))
    if not sent:
        NightRun.objects.filter(pk=run.pk).update(told_at=None)
    return sent


def _send(subject: str, letters: Iterable[tuple[str, str]]) -> int:
    sent = 0
    connection = get_connection()
    for address, text in letters:
        try:
            sent += send_mail(subject, text, None, [address], connection=connection)
        except OSError:  # of one address; where the server is away, of each
            log.exception("A morning report could not be mailed.")
    return sent

"""What the cluster is asked to do; every task may run twice."""

import logging

from django.contrib.auth.models import User
from django.utils import timezone
from django_q.tasks import async_task

from contacts.exclusive import AlreadyRunning
from contacts.permissions import CLUSTER_USER
from contacts.tasks import mail_cases, resume_jobs
from sync.models import NightRun
from sync.services import morning_mail, plan_night
from sync.services import run_night as nights
from ticketing.tasks import look_after_pulls

MAIL_TASK = "sync.tasks.mail_morning"
logger = logging.getLogger(__name__)


def run_night(*, trigger: str = NightRun.Trigger.SCHEDULE.value, by_id: int | None = None) -> str:
    """The night: by schedule in the cluster's own name, or for the user who asked for it."""
    by = (
        User.objects.filter(pk=by_id).first() if by_id else User.objects.filter(username=CLUSTER_USER).first()
    )
    try:
        run = nights.run_night(
            trigger=NightRun.Trigger(trigger), by=by, now=timezone.now(), clock=timezone.now
        )
    except AlreadyRunning as refusal:
        logger.info("%s", refusal)
        return str(refusal)
    async_task(MAIL_TASK, task_name="morning report")
    return f"{run}: {run.state}"


def go_on() -> str:
    """Take up the held night that somebody let go on; nothing where it was taken up or superseded since."""
    run = NightRun.objects.held_now()
    return run_night() if run is not None and nights.is_released(run) else "No night waits to go on."


def take_up() -> str:
    """Go on with imports, pulls and nights that a killed process left behind, and mail what was not; by
    schedule."""
    resume_jobs()
    look_after_pulls()
    mail_cases()
    mail_morning()
    told = run_night() if nights.is_cut_off() else "Nothing was cut off."
    if not nights.night_is_at_work():
        plan_night.take_up_plans(clock=timezone.now)
    return told


def make_plan() -> int:
    """Tonight's plan, as somebody asked for it."""
    return plan_night.make_plans(clock=timezone.now)


def plan_when_changed() -> bool:
    """Tonight's plan anew, where something changed since the last; by schedule."""
    return plan_night.plan_when_changed(clock=timezone.now)


def mail_morning() -> int:
    """The reports of nights that ended and were not told of yet."""
    return morning_mail.mail_reports(now=timezone.now())

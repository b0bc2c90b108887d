"""Let go on what the brake held: it is accepted, and the cluster takes the night up again or begins one."""

import contextlib
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from django_q.tasks import async_task

from contacts.models import GroupingRun
from contacts.services.brake import AlreadyAccepted, Superseded, accept
from sync.models import NightRun
from sync.night_held import may_release
from sync.services.request_night import NightIsFiled, NightIsUnderWay, request_night

RELEASE_TASK = "sync.tasks.go_on"


class MayNotRelease(Exception):
    """Only those who see every system let go on what joins the records of them all."""

    def __init__(self) -> None:
        super().__init__("Only a CRM manager or an administrator who sees every system may let it go on.")


@transaction.atomic
def release_night(run: NightRun, *, by: User, now: datetime) -> None:
    """Accept what this night was held for, as much as it says and no more, and file it for the cluster.

    Safe under two callers: the second one raises AlreadyAccepted, and Superseded is raised where another
    night or grouping run came since. Raises MayNotRelease. Nothing runs here.
    """
    if not may_release(by):
        raise MayNotRelease
    if NightRun.objects.held_now() != run or run.held_grouping is None:
        raise Superseded
    if run.held_grouping.accepted_at is not None:
        raise AlreadyAccepted
    accept(run.held_grouping, by=by, now=now)
    async_task(RELEASE_TASK, task_name="held night goes on")


@transaction.atomic
def release_grouping(run: GroupingRun, *, by: User, now: datetime) -> None:
    """Accept what a grouping run by command was held for, and file a night, whose grouping does it.

    Where a night is filed or under way already, that one does it. Safe under two callers: raises
    NothingIsHeld, Superseded or AlreadyAccepted, and MayNotRelease. Nothing runs here.
    """
    if not may_release(by):
        raise MayNotRelease
    accept(run, by=by, now=now)
    with contextlib.suppress(NightIsFiled, NightIsUnderWay):
        request_night(by=by, now=now)

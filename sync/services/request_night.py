"""Ask the cluster for a night: the request files it, the cluster runs it (R-SYS-4)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.models import AnonymousUser, User
from django.db import transaction
from django_q.models import OrmQ, Schedule
from django_q.tasks import async_task

from contacts.models import Organisation
from sync.models import NightRun
from sync.models.night import RunState

NIGHT_TASK = "sync.tasks.run_night"
# A living cluster takes a task within its poll, a second, and looks at its schedules twice a minute.
TAKEN_WITHIN = timedelta(seconds=20)
SCHEDULED_WITHIN = timedelta(minutes=2)


class NightIsUnderWay(Exception):
    """A night runs already; a second one would wait for it and find nothing left to do."""

    def __init__(self, run: NightRun) -> None:
        self.run = run
        super().__init__("A night is running already.")


class NightIsFiled(Exception):
    """A night was asked for and the cluster has not begun it yet."""

    def __init__(self) -> None:
        super().__init__("A night is filed already; it begins as soon as the cluster takes it.")


@dataclass(frozen=True)
class ClusterSigns:
    """What the queue tells: `is_silent` when the cluster left work lying, `filed_at` of a waiting night."""

    is_silent: bool
    filed_at: datetime | None


def cluster_signs(*, now: datetime) -> ClusterSigns:
    """Judge the cluster by the work it should have taken: it keeps no sign of life that the web could read.

    Two queries. A cluster with nothing to do counts as alive.
    """
    waiting = list(OrmQ.objects.filter(lock__lte=now).order_by("lock")[:200])
    filed = [task.lock for task in waiting if task.task.get("func") == NIGHT_TASK]
    lying = bool(waiting) and waiting[0].lock < now - TAKEN_WITHIN
    overdue = Schedule.objects.filter(next_run__lt=now - SCHEDULED_WITHIN).exclude(repeats=0).exists()
    return ClusterSigns(is_silent=lying or overdue, filed_at=filed[0] if filed else None)


@transaction.atomic
def request_night(*, by: User | AnonymousUser, now: datetime) -> None:
    """File the night for the cluster; nothing runs here.

    Raises NightIsUnderWay or NightIsFiled. Two callers at once file one night: the organisation's row is
    locked while the queue is looked at; and the night itself runs once at a time whatever was filed.
    """
    Organisation.objects.select_for_update().get(pk=Organisation.load().pk)
    running = NightRun.objects.filter(state=RunState.RUNNING).first()
    if running is not None:
        raise NightIsUnderWay(running)
    if cluster_signs(now=now).filed_at is not None:
        raise NightIsFiled
    async_task(NIGHT_TASK, trigger=NightRun.Trigger.HAND.value, by_id=by.pk, task_name="night by hand")

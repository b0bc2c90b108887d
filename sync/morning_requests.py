"""What the morning tells of people's requests: done, failed with reasons, held; and which lines are held."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Count, Q

from contacts.models import GroupRequest, HeldLine
from sync.models import NightRun

MOST_SHOWN = 20


@dataclass(frozen=True)
class Told:
    """Some requests and how many there are in all, of those that the reader may see."""

    requests: Sequence[GroupRequest]
    count: int

    @property
    def not_shown(self) -> int:
        return self.count - len(self.requests)


@dataclass(frozen=True)
class RequestsReport:
    """Of one night, for one reader. What is held is told of the last night alone: it is so now."""

    done: Told
    failed: Told
    held: Told
    held_lines: int

    @property
    def is_empty(self) -> bool:
        return not (self.done.count or self.failed.count or self.held.count or self.held_lines)


def requests_report(
    run: NightRun, *, user: User | AnonymousUser, is_last: bool, now: datetime
) -> RequestsReport:
    """What this night did with the requests that the reader may see; eight queries at most."""
    visible = GroupRequest.objects.visible_to(user).select_related("by")
    settled = visible.filter(
        settled_by=None, settled_at__gte=run.started_at, settled_at__lte=run.finished_at or now
    ).order_by("pk")
    return RequestsReport(
        done=_told(settled.filter(state=GroupRequest.State.DONE)),
        failed=_told(settled.filter(state=GroupRequest.State.FAILED)),
        held=_told(visible.filter(state=GroupRequest.State.HELD).order_by("pk")) if is_last else Told([], 0),
        held_lines=HeldLine.objects.visible_to(user).count() if is_last else 0,
    )


def _told(rows) -> Told:
    shown = list(rows[:MOST_SHOWN])
    return Told(shown, len(shown) if len(shown) < MOST_SHOWN else rows.count())


def requests_in_numbers(run: NightRun, *, user: User | AnonymousUser, now: datetime) -> dict[str, int]:
    """How many of the last night's requests are done, failed and held, and lines held; two queries."""
    settled = Q(settled_by=None, settled_at__gte=run.started_at, settled_at__lte=run.finished_at or now)
    State = GroupRequest.State
    numbers = GroupRequest.objects.visible_to(user).aggregate(
        done=Count("pk", filter=settled & Q(state=State.DONE)),
        failed=Count("pk", filter=settled & Q(state=State.FAILED)),
        held=Count("pk", filter=Q(state=State.HELD)),
    )
    return {**numbers, "held_lines": HeldLine.objects.visible_to(user).count()}

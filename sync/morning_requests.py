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
    """Of one night, for one reader. What it left held is told of the last night alone, as far as it is held
    still; of an older night its step tells how many were.
    """

    done: Told
    failed: Told
    held: Told
    held_lines: int

    @property
    def by_state(self) -> Sequence[tuple[Told, str]]:
        """What became of them, and the word for it."""
        return [(self.done, "done"), (self.failed, "failed"), (self.held, "held")]

    @property
    def is_empty(self) -> bool:
        return not (self.done.count or self.failed.count or self.held.count or self.held_lines)


def requests_report(
    run: NightRun, *, user: User | AnonymousUser, is_last: bool, now: datetime
) -> RequestsReport:
    """What this night did with the requests that the reader may see; eight queries at most."""
    visible = GroupRequest.objects.visible_to(user).select_related("by", "held_by")
    end = run.finished_at or now
    settled = visible.filter(settled_by=None, settled_at__gte=run.started_at, settled_at__lte=end).order_by(
        "pk"
    )
    held = visible.filter(_held_by(end)).order_by("pk")
    return RequestsReport(
        done=_told(settled.filter(state=GroupRequest.State.DONE)),
        failed=_told(settled.filter(state=GroupRequest.State.FAILED)),
        held=_told(held) if is_last else Told([], 0),
        held_lines=HeldLine.objects.visible_to(user).filter(at__lte=end).count() if is_last else 0,
    )


def _held_by(moment: datetime) -> Q:
    """Requests that were held by then and are held still; nobody knows of each since when."""
    return Q(state=GroupRequest.State.HELD) & (Q(held_at=None) | Q(held_at__lte=moment))


def _told(rows) -> Told:
    shown = list(rows[:MOST_SHOWN])
    return Told(shown, len(shown) if len(shown) < MOST_SHOWN else rows.count())


def requests_in_numbers(run: NightRun, *, user: User | AnonymousUser, now: datetime) -> dict[str, int]:
    """How many of the last night's requests are done, failed and held, and lines held; two queries."""
    end = run.finished_at or now
    settled = Q(settled_by=None, settled_at__gte=run.started_at, settled_at__lte=end)
    State = GroupRequest.State
    numbers = GroupRequest.objects.visible_to(user).aggregate(
        done=Count("pk", filter=settled & Q(state=State.DONE)),
        failed=Count("pk", filter=settled & Q(state=State.FAILED)),
        held=Count("pk", filter=_held_by(end)),
    )
    return {**numbers, "held_lines": HeldLine.objects.visible_to(user).filter(at__lte=end).count()}

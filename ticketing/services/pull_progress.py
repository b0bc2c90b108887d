"""How far a running pull is, and about how long it still takes."""

from dataclasses import dataclass
from datetime import datetime

from contacts.exclusive import is_at_work
from ticketing.models import PullRun

_FEWEST_SECONDS = 2.0  # of work, before anything is said about the rest


@dataclass(frozen=True)
class Progress:
    """Rows done of the present phase, of how many and how many seconds are left, where that can be told."""

    done: int
    total: int | None
    seconds_left: int | None


def pull_progress(run: PullRun, *, now: datetime) -> Progress:
    """Where the run's present phase stands."""
    total = run.expected if run.phase != PullRun.Phase.COMPARE else None
    if total is not None and run.done > total:
        total = run.done
    taken = (now - run.started_at).total_seconds() - sum(run.seconds.values())
    if not total or not run.done or taken < _FEWEST_SECONDS or run.attempts > 1:
        return Progress(run.done, total, None)
    return Progress(run.done, total, round(taken * (total - run.done) / run.done))


def is_pulling(run: PullRun) -> bool:
    """Whether a process is at the run now; a killed one's run waits to be taken up."""
    return run.ended_at is None and is_at_work(f"pull {run.connection_id}")

"""The counts of a run, by name, and the words for them."""

from ticketing.models import PullRun

COUNTS = (
    "downloaded",
    "created",
    "changed",
    "unchanged",
    "rejected",
    "held",
    "missing",
    "merged",
    "erased",
    "back",
)


def add_counts(run: PullRun, **more: int) -> None:
    """Add to the run's counts; the caller saves it."""
    run.counts = {**run.counts, **{name: run.counts.get(name, 0) + count for name, count in more.items()}}

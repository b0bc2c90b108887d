"""The counts of a run, by name."""

from ticketing.models import PullRun


def add_counts(run: PullRun, **more: int) -> None:
    """Add to the run's counts; the caller saves it."""
    run.counts = {**run.counts, **{name: run.counts.get(name, 0) + count for name, count in more.items()}}

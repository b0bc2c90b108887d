"""Drops what nobody needs any more."""

from collections.abc import Callable
from datetime import datetime

from contacts.services.grouping_model import prune_models
from contacts.services.jobs import prune_jobs


def tidy_up(now: datetime, progress: Callable[[int, int], None]) -> dict[str, int]:
    """Old imports with their files and rejected rows, model versions out of use; returns how many."""
    counts = {"jobs": prune_jobs(now=now), "model_versions": prune_models()}
    progress(1, 1)
    return counts

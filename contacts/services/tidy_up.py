"""Drops what nobody needs any more."""

from collections.abc import Callable
from datetime import datetime

from contacts.services.brake import standing_held
from contacts.services.grouping_model import prune_models
from contacts.services.jobs import prune_jobs
from contacts.services.refused_attempts import prune_attempts
from contacts.services.rule_trials import prune_trials


def tidy_up(now: datetime, progress: Callable[[int, int], None]) -> dict[str, int]:
    """Old imports with their files and rejected rows, old dry runs and refused attempts, model versions out
    of use: how many of each.

    While a run is held every version stays: whoever decides about it may want another.
    """
    counts = {
        "jobs": prune_jobs(now=now),
        "rule_trials": prune_trials(now=now),
        "refused_attempts": prune_attempts(now=now),
        "model_versions": 0 if standing_held() else prune_models(),
    }
    progress(1, 1)
    return counts

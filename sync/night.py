"""The night: what is done while nobody works, in this order."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from contacts.search_index import index_arrivals
from contacts.services.check_invariants import require_whole
from contacts.services.golden_check import refresh_every_golden
from contacts.services.group_requests_applied import apply_requests
from contacts.services.kept_figures import keep_figures
from contacts.services.model_refresh import refresh_when_due
from contacts.services.primary_rules import apply_primary_rules
from contacts.services.regroup import regroup
from contacts.services.tidy_up import tidy_up
from ticketing.services.kept_reports import refresh_reports
from ticketing.services.recount import recount_purchases
from ticketing.services.tidy_pulls import tidy_pulls

Counts = Mapping[str, Any]
Progress = Callable[[int, int], None]  # rows done, and of how many


@dataclass(frozen=True)
class Step:
    """A step may be cut off anywhere and run again: each does only what is left to do.

    A step that fails ends the night, but for later ones that are `is_independent` of it.
    """

    name: str
    sentence: str
    run: Callable[[datetime, Progress], Counts]
    is_independent: bool = False


def _freeze(now: datetime, _progress: Progress) -> Counts:
    version = refresh_when_due(now=now)
    if version is None:
        return {"frozen": 0}
    told = {"frozen": version.population, "model_version": version.number}
    if changed := version.differences:
        told |= {"joined_by_it": changed["joined"], "split_by_it": changed["split"]}
    return told


def _regroup(now: datetime, progress: Progress) -> Counts:
    counts = asdict(regroup(now=now, progress=progress))
    del counts["seconds"], counts["engine_seconds"]
    return counts


def _index_arrivals(_now: datetime, progress: Progress) -> Counts:
    return {"indexed": index_arrivals(progress)}


def _keep_figures(now: datetime, _progress: Progress) -> Counts:
    return {"kept": int(keep_figures(now=now))}


def _tidy_up(now: datetime, progress: Progress) -> Counts:
    return {**tidy_up(now, progress), **tidy_pulls(now=now)}


def _apply_primary_rules(now: datetime, progress: Progress) -> Counts:
    return {"changed": apply_primary_rules(now=now, progress=progress).changed}


NIGHT: Sequence[Step] = (
    Step(
        "Freeze the model",
        "Learn how common values are, each week and when there are twice or half as many refs.",
        _freeze,
    ),
    Step(
        "Apply requests",
        "Group, ungroup, split and undo what people asked for; one that cannot be done keeps no other back.",
        apply_requests,
    ),
    Step("Group System Refs", "Find who is one person, and let the mapping say so.", _regroup),
    Step(
        "Refresh golden records",
        "Repair stored golden values that are not what the refs say.",
        refresh_every_golden,
    ),
    Step("Recount purchases", "Repair sums that are not what the purchases say.", recount_purchases),
    Step(
        "Apply primary rules",
        "Let the System Refs lead that the rules prefer; without a rule nothing switches.",
        _apply_primary_rules,
    ),
    Step(
        "Index for search",
        "Take what arrived into the index of the search; until then it is found a little slower.",
        _index_arrivals,
        is_independent=True,
    ),
    Step("Check invariants", "Ask of the whole database what must always be true.", require_whole),
    Step(
        "Count the overview",
        "Keep figures that take long to count, for the overview of who sees every system.",
        _keep_figures,
        is_independent=True,
    ),
    Step(
        "Count the reports",
        "Keep the sums of reports that somebody looks at.",
        refresh_reports,
        is_independent=True,
    ),
    Step("Tidy up", "Drop what nobody needs any more.", _tidy_up, is_independent=True),
)

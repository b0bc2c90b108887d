"""Learns the weights from all System Refs, and proposes them with what they would change."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User

from contacts.exclusive import AlreadyRunning, exclusive, is_at_work
from contacts.grouping.estimate import estimate
from contacts.grouping.model import Model
from contacts.grouping.rules import key_kinds
from contacts.models import ModelEstimate, ModelVersion
from contacts.services.grouping_input import read_input
from contacts.services.grouping_model import activate_version, check_may_activate, freeze, store_model
from contacts.services.matching_rules import rules_in_force
from contacts.services.regroup import GROUPING
from contacts.services.what_if import WhatIf, what_if

ESTIMATES = "An estimate of the model"  # one at a time: each needs the engine's memory
STEPS = ("reading the records", "learning the weights", "grouping as now and with them", "keeping them")
UNDER_WAY = (ModelEstimate.State.WAITING, ModelEstimate.State.RUNNING)

Clock = Callable[[], datetime]
Progress = Callable[[int], None]


@dataclass(frozen=True)
class Estimated:
    """`version` is the proposal or, where the weights stay as they are, the version in force, if any."""

    version: ModelVersion | None
    is_learnt: bool
    activated: bool
    reason: str


def estimate_model(
    *, now: datetime, activate: bool = False, by: User | None = None, progress: Progress | None = None
) -> Estimated:
    """Learn, compare with what is in force, and keep as a proposal; with `activate` put it in force at once.

    On small or odd data nothing is kept. Takes a minute, and for a million refs some minutes. One at a
    time: raises AlreadyRunning; with `activate` also CannotActivate.
    """
    tell = progress or (lambda step: None)
    if by is not None:
        check_may_activate(by)
    with exclusive(ESTIMATES):
        tell(0)
        given = read_input()
        kinds = key_kinds(rules_in_force().rules)
        frozen = freeze(given.refs, default_country=given.default_country, extra_kinds=kinds)
        tell(1)
        found = estimate(
            given.refs,
            model=frozen,
            default_country=given.default_country,
            memory_limit=settings.GROUPING_MEMORY,
            threads=settings.GROUPING_THREADS,
        )
        if not found.is_learnt:
            standing = ModelVersion.objects.filter(is_active=True).first()
            return Estimated(standing, False, False, found.reason)
        tell(2)
        differences = differences_of(found.model)
        tell(3)
        version = store_model(
            found.model,
            now=now,
            source=ModelVersion.Source.ESTIMATE,
            reason=found.reason,
            differences=differences,
            by=by,
            in_force=False,
        )
        if activate:
            version = activate_version(version, by=by, now=now)
    return Estimated(version, True, version.is_active, found.reason)


def differences_of(model: Model) -> dict[str, Any]:
    """What the next full run would change with this model, as ModelVersion.differences keeps it."""
    standing = ModelVersion.objects.filter(is_active=True).first()
    found: WhatIf = what_if(model=model)
    return {**asdict(found), "compared_with": standing.number if standing else None}


def file_estimate(*, by: User, now: datetime) -> ModelEstimate:
    """Ask for an estimate; where one is under way, that one is given back. Raises MayNotActivate."""
    check_may_activate(by)
    standing = ModelEstimate.objects.filter(state__in=UNDER_WAY).first()
    return standing or ModelEstimate.objects.create(by=by, created_at=now)


def run_estimate(estimate_id: int, *, clock: Clock) -> None:
    """Run an estimate that was asked for; after a crash it starts over.

    It does not begin while a grouping run needs the memory: it waits, and resume_estimates takes it up.
    """
    asked = ModelEstimate.objects.filter(pk=estimate_id, state__in=UNDER_WAY).select_related("by").first()
    if asked is None or waits_for_grouping():
        return
    _note(asked, state=ModelEstimate.State.RUNNING)
    try:
        found = estimate_model(now=clock(), by=asked.by, progress=lambda step: _note(asked, step=step))
    except AlreadyRunning:
        return  # by whoever does it now, or taken up again
    except Exception:
        message = "Something went wrong on our side; the log has it."
        _note(asked, state=ModelEstimate.State.FAILED, message=message, finished_at=clock())
        raise
    _note(
        asked,
        state=ModelEstimate.State.DONE,
        message=found.reason,
        version=found.version if found.is_learnt else None,
        finished_at=clock(),
    )


def waits_for_grouping() -> bool:
    """Whether a grouping run is at work now, so that no estimate begins."""
    return is_at_work(GROUPING)


def resume_estimates(*, clock: Clock) -> int:
    """Take up estimates that waited or that a dead process left. Returns how many were under way."""
    left = list(ModelEstimate.objects.filter(state__in=UNDER_WAY).order_by("pk").values_list("pk", flat=True))
    for estimate_id in left:
        run_estimate(estimate_id, clock=clock)
    return len(left)


def _note(asked: ModelEstimate, **fields: Any) -> None:
    for name, value in fields.items():
        setattr(asked, name, value)
    asked.save(update_fields=list(fields))

"""Dry runs of matching rules in the background: filed, run, saved, taken up again, forgotten."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User

from contacts.exclusive import AlreadyRunning, exclusive, is_at_work
from contacts.models import RuleSet, RuleTrial
from contacts.services.matching_rules import (
    CannotSaveRules,
    check_may_save,
    checked,
    rules_in_force,
    save_rules,
    to_engine,
)
from contacts.services.regroup import GROUPING
from contacts.services.what_if import what_if

KEPT_FOR = timedelta(days=30)
TRIALS = "A dry run of matching rules"  # one at a time: each needs the engine's memory
UNDER_WAY = (RuleTrial.State.WAITING, RuleTrial.State.RUNNING)

Clock = Callable[[], datetime]


class NotTriedYet(CannotSaveRules):
    def __init__(self, trial: RuleTrial) -> None:
        super().__init__(f"{trial} is {trial.get_state_display()}: there is nothing to go by yet.")


def file_trial(
    rules: Sequence[Mapping[str, Any]],
    score: Mapping[str, Any],
    *,
    based_on: int,
    by: User,
    now: datetime,
) -> RuleTrial:
    """Keep proposed rules as a waiting dry run.

    Raises MayNotSaveRules, BadRules, SavedSince or NothingChanged, as saving them would.
    """
    check_may_save(by)
    kept, kept_score = checked(rules, score, based_on=based_on)
    return RuleTrial.objects.create(rules=kept, score=kept_score, based_on=based_on, by=by, created_at=now)


def run_trial(trial_id: int, *, clock: Clock) -> None:
    """Run a waiting dry run, then any that came to wait meanwhile.

    After a crash it starts over. While another process is at one, this does nothing: that one takes this up.
    Nor does one begin while a grouping run needs the memory: it waits, and resume_trials takes it up.
    """
    try:
        with exclusive(TRIALS):
            trial = RuleTrial.objects.filter(pk=trial_id, state__in=UNDER_WAY).first()
            while trial is not None and not waits_for_grouping():
                _run(trial, clock)
                trial = RuleTrial.objects.filter(state__in=UNDER_WAY).order_by("pk").first()
    except AlreadyRunning:
        return


def waits_for_grouping() -> bool:
    """Whether a grouping run is at work now, so that no dry run begins."""
    return is_at_work(GROUPING)


def resume_trials(*, clock: Clock) -> int:
    """Take up dry runs that waited or that a dead process left. Returns how many were under way."""
    left = list(RuleTrial.objects.filter(state__in=UNDER_WAY).order_by("pk").values_list("pk", flat=True))
    if left:
        run_trial(left[0], clock=clock)
    return len(left)


def save_trial(trial: RuleTrial, *, by: User, now: datetime, note: str = "") -> RuleSet:
    """Put the rules of a finished dry run in force. Raises NotTriedYet or what save_rules raises."""
    if trial.state != RuleTrial.State.DONE:
        raise NotTriedYet(trial)
    return save_rules(trial.rules, trial.score, based_on=trial.based_on, by=by, now=now, note=note)


def prune_trials(*, now: datetime) -> int:
    """Forget dry runs that were filed more than KEPT_FOR ago; returns how many."""
    return RuleTrial.objects.filter(created_at__lt=now - KEPT_FOR).delete()[0]


def _run(trial: RuleTrial, clock: Clock) -> None:
    _note(trial, state=RuleTrial.State.RUNNING, step=0, started_at=clock())
    try:
        standing = rules_in_force()
        found = what_if(
            rules=to_engine(trial.rules, trial.score, number=standing.number + 1),
            progress=lambda step, _steps: _note(trial, step=step),
        )
    except Exception:
        message = "Something went wrong on our side; the log has it."
        _note(trial, state=RuleTrial.State.FAILED, message=message, finished_at=clock())
        raise
    result = asdict(found)
    examples = result.pop("examples")
    _note(
        trial,
        state=RuleTrial.State.DONE,
        counts={**result, "compared_with": standing.number},
        examples=examples,
        finished_at=clock(),
    )


def _note(trial: RuleTrial, **fields: Any) -> None:
    for name, value in fields.items():
        setattr(trial, name, value)
    trial.save(update_fields=list(fields))

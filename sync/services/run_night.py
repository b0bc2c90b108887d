"""Walks the night: step by step, each recorded, taken up again where it was cut off."""

import logging
import time
import traceback
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from django.contrib.auth.models import User
from django.db import transaction

from contacts.exclusive import AlreadyRunning, exclusive
from contacts.services.check_invariants import NotWhole
from sync.models import NightRun, NightStep
from sync.models.night import RunState
from sync.night import NIGHT, Progress, Step
from sync.services.schedules import plan_next_night

SECONDS_BETWEEN_SIGNS = 0.5
THE_NIGHT = "The night"
# Errors whose sentence is made of ids and names of ours, so that it can be shown; of others only the kind is.
_FIT_TO_READ = (AlreadyRunning, NotWhole)

Clock = Callable[[], datetime]
logger = logging.getLogger(__name__)


def run_night(
    *,
    trigger: NightRun.Trigger,
    by: User | None = None,
    now: datetime,
    clock: Clock,
    steps: Sequence[Step] = NIGHT,
) -> NightRun:
    """Run the night's steps in order, or what is left of a night that was cut off.

    One at a time: raises AlreadyRunning. A step that fails is recorded, and only steps that are independent
    of it still run; the night has then failed, and the next one begins anew. `now` is the moment that the
    night's writes bear; `clock` tells how long steps take. Plans the next night by schedule.
    """
    with exclusive(THE_NIGHT):
        run = _take_up(steps) or _begin(steps, trigger=trigger, by=by, now=now)
        failed = run.steps.filter(state=RunState.FAILED).exists()
        for position, step in enumerate(steps, start=1):
            row = run.steps.get(position=position)
            if row.state == RunState.DONE or (failed and not step.is_independent):
                continue
            failed |= not _run_step(step, row, now=now, clock=clock)
        run.state = RunState.FAILED if failed else RunState.DONE
        run.finished_at = clock()
        run.save(update_fields=["state", "finished_at"])
        plan_next_night(now=run.finished_at)
    return run


def is_cut_off() -> bool:
    """Whether a night stopped in the middle and nobody is at it."""
    if not NightRun.objects.filter(state=RunState.RUNNING).exists():
        return False
    try:
        with exclusive(THE_NIGHT):
            return True
    except AlreadyRunning:
        return False


def _take_up(steps: Sequence[Step]) -> NightRun | None:
    """The night that was cut off, once more; one with other steps, from before an upgrade, is given up."""
    run = NightRun.objects.filter(state=RunState.RUNNING).first()
    if run is None:
        return None
    if list(run.steps.order_by("position").values_list("name", flat=True)) != [step.name for step in steps]:
        run.state = RunState.FAILED
        run.save(update_fields=["state"])
        return None
    run.resumed += 1
    run.save(update_fields=["resumed"])
    return run


@transaction.atomic
def _begin(steps: Sequence[Step], *, trigger: NightRun.Trigger, by: User | None, now: datetime) -> NightRun:
    run = NightRun.objects.create(trigger=trigger, by=by, started_at=now)
    NightStep.objects.bulk_create(
        NightStep(run=run, position=position, name=step.name) for position, step in enumerate(steps, start=1)
    )
    return run


def _run_step(step: Step, row: NightStep, *, now: datetime, clock: Clock) -> bool:
    """Whether the step did its work. What it did, or why not, stands on its row."""
    row.state, row.started_at = RunState.RUNNING, clock()
    row.done = row.total = 0
    row.save()
    began = time.monotonic()
    try:
        row.counts = dict(step.run(now, _signs_of_life(row)))
        row.state = RunState.DONE
    except Exception as error:  # the night's door: whatever a step meets is recorded, and the night goes on
        row.state, row.error = RunState.FAILED, _in_words(error)
        logger.error("%s of night %s failed: %s", step.name, row.run_id, row.error)
    row.seconds = round(time.monotonic() - began, 3)
    row.finished_at = clock()
    row.save(update_fields=["state", "counts", "error", "seconds", "finished_at"])
    return row.state == RunState.DONE


def _signs_of_life(row: NightStep) -> Progress:
    """Progress onto the step's row, twice a second at most, where others see it at once."""
    last = 0.0

    def tell(done: int, total: int) -> None:
        nonlocal last
        if done >= total or time.monotonic() - last > SECONDS_BETWEEN_SIGNS:
            NightStep.objects.filter(pk=row.pk).update(done=done, total=total)
            last = time.monotonic()

    return tell


def _in_words(error: Exception) -> str:
    """Why a step failed, without any value that it worked on: databases print them in their errors."""
    if isinstance(error, _FIT_TO_READ):
        return str(error)
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {Path(frame.filename).name}, line {frame.lineno}."

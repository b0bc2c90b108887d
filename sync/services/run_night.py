"""Walks the night: step by step, each recorded, taken up again where it was cut off."""

import logging
import time
import traceback
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from django.contrib.auth.models import User
from django.db import transaction

from contacts.exclusive import AlreadyRunning, exclusive, is_at_work
from contacts.services.brake import HeldByBrake
from contacts.services.check_invariants import NotWhole
from sync.models import NightRun, NightStep
from sync.models.night import RunState
from sync.night import NIGHT, Counts, Progress, Step
from sync.services.schedules import plan_next_night

SECONDS_BETWEEN_SIGNS = 0.5
# Somebody's own grouping run may hold up the night's: at a million refs for a good while.
PATIENCE = timedelta(minutes=30)
SECONDS_BETWEEN_TRIES = 5.0
THE_NIGHT = "The night"
# Errors whose sentence is made of ids and names of ours, so that it can be shown; of others only the kind is.
_FIT_TO_READ = (AlreadyRunning, NotWhole)

_STOPS = (RunState.FAILED, RunState.HELD)

Clock = Callable[[], datetime]
Pause = Callable[[float], None]  # seconds
logger = logging.getLogger(__name__)


def run_night(
    *,
    trigger: NightRun.Trigger,
    by: User | None = None,
    now: datetime,
    clock: Clock,
    steps: Sequence[Step] = NIGHT,
    pause: Pause = time.sleep,
) -> NightRun:
    """Run the night's steps in order, or what is left of a night that was cut off, or held and let go on.

    One at a time: raises AlreadyRunning. A step that fails, or is held by the brake, is recorded, and only
    steps that are independent of it still run; so the night has failed or is held. The next one begins anew,
    unless somebody let this one go on. `now` is the moment that the night's writes bear; `clock` tells how
    long steps take, `pause` waits for work that excludes a step's. Plans the next night by schedule.
    """
    with exclusive(THE_NIGHT):
        run = _take_up(steps) or _begin(steps, trigger=trigger, by=by, now=now)
        stopped = run.steps.filter(state__in=_STOPS).exists()
        for position, step in enumerate(steps, start=1):
            row = run.steps.get(position=position)
            if row.state == RunState.DONE or (stopped and not step.is_independent):
                continue
            stopped |= not _run_step(step, row, now=now, clock=clock, pause=pause)
        run.state = _state_of(run)
        run.finished_at = clock()
        run.save(update_fields=["state", "finished_at", "held_grouping"])
        plan_next_night(now=run.finished_at)
    return run


def is_cut_off() -> bool:
    """Whether a night stopped in the middle and nobody is at it."""
    return NightRun.objects.filter(state=RunState.RUNNING).exists() and not night_is_at_work()


def night_is_at_work() -> bool:
    """Whether a process is at a night now."""
    return is_at_work(THE_NIGHT)


def _take_up(steps: Sequence[Step]) -> NightRun | None:
    """The night that was cut off, or held and let go on.

    One with other steps, from before an upgrade, is given up.
    """
    run = NightRun.objects.filter(state=RunState.RUNNING).first()
    if run is None:
        return _take_up_released(steps)
    if not _has(run, steps):
        run.state = RunState.FAILED
        run.save(update_fields=["state"])
        return None
    run.resumed += 1
    run.save(update_fields=["resumed"])
    return run


def _take_up_released(steps: Sequence[Step]) -> NightRun | None:
    run = NightRun.objects.held_now()
    if run is None or not is_released(run) or not _has(run, steps):
        return None
    with transaction.atomic():
        run.steps.filter(state__in=_STOPS).update(state=RunState.WAITING, error="")
        run.state, run.finished_at = RunState.RUNNING, None
        run.save(update_fields=["state", "finished_at"])
    return run


def is_released(run: NightRun) -> bool:
    """Whether somebody lets this held night go on."""
    return run.held_grouping is not None and run.held_grouping.accepted_at is not None


def _has(run: NightRun, steps: Sequence[Step]) -> bool:
    names = run.steps.order_by("position").values_list("name", flat=True)
    return list(names) == [step.name for step in steps]


def _state_of(run: NightRun) -> RunState:
    """What its steps make of a night that came to its end."""
    states = set(run.steps.values_list("state", flat=True))
    if RunState.HELD in states:  # also where another step failed: let go on, it tries that again
        return RunState.HELD
    return RunState.FAILED if RunState.FAILED in states else RunState.DONE


@transaction.atomic
def _begin(steps: Sequence[Step], *, trigger: NightRun.Trigger, by: User | None, now: datetime) -> NightRun:
    run = NightRun.objects.create(trigger=trigger, by=by, started_at=now)
    NightStep.objects.bulk_create(
        NightStep(run=run, position=position, name=step.name) for position, step in enumerate(steps, start=1)
    )
    return run


def _run_step(step: Step, row: NightStep, *, now: datetime, clock: Clock, pause: Pause) -> bool:
    """Whether the step did its work. What it did, or why not, stands on its row."""
    row.state, row.started_at = RunState.RUNNING, clock()
    row.done = row.total = 0
    row.save()
    began = time.monotonic()
    try:
        row.counts = dict(_patiently(step, row, now=now, pause=pause))
        row.state, row.error = RunState.DONE, ""
    except HeldByBrake as held:
        row.state, row.error = RunState.HELD, str(held)
        row.run.held_grouping = held.run
        logger.warning("%s of night %s is held: %s", step.name, row.run_id, row.error)
    except Exception as error:  # the night's door: whatever a step meets is recorded, and the night goes on
        row.state, row.error = RunState.FAILED, _in_words(error)
        logger.error("%s of night %s failed: %s", step.name, row.run_id, row.error)
    row.seconds = round(time.monotonic() - began, 3)
    row.finished_at = clock()
    row.save(update_fields=["state", "counts", "error", "seconds", "finished_at"])
    return row.state == RunState.DONE


def _patiently(step: Step, row: NightStep, *, now: datetime, pause: Pause) -> Counts:
    """What the step did, once the work that excludes its own is over; says on its row what it waits for."""
    waited = 0.0
    while True:
        try:
            return step.run(now, _signs_of_life(row))
        except AlreadyRunning as refusal:
            if waited >= PATIENCE.total_seconds():
                raise
            NightStep.objects.filter(pk=row.pk).update(error=f"Waits: {refusal}")
            pause(SECONDS_BETWEEN_TRIES)
            waited += SECONDS_BETWEEN_TRIES


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

"""A night as people read it: its steps in words, its totals, and what it tells in the morning."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sync.models import NightRun, NightStep
from sync.models.night import RunState

# How a state looks: a shape and a tone (kore.css), beside the word.
TONES = {
    RunState.WAITING: "off",
    RunState.RUNNING: "busy",
    RunState.DONE: "good",
    RunState.FAILED: "bad",
    RunState.HELD: "warn",
}


# What a count is called where its key does not say it.
_CALLED = {
    "frozen": "System Refs learnt from",
    "model_version": "is the new model's number",
    "joined_by_it": "Contacts that the new model alone would join",
    "split_by_it": "Contacts that the new model alone would split",
    "held": "pairs kept back",
    "indexed": "System Refs indexed",
    "changed": "primaries switched",
    "kept": "sets of figures kept",
    "checked": "invariants checked",
    "refs": "System Refs looked at",
    "contacts": "Contacts",
    "waiting": "System Refs left for the next night",
    "outgrown": "keys grown too common",
    "rule_trials": "dry runs dropped",
    "refused_attempts": "refused attempts forgotten",
    "model_versions": "versions of the model dropped",
    "jobs": "imports dropped",
}


_ONE = {
    "requests": "request",
    "Refs": "Ref",
    "Contacts": "Contact",
    "pairs": "pair",
    "primaries": "primary",
    "sets": "set",
    "invariants": "invariant",
    "keys": "key",
    "runs": "run",
    "attempts": "attempt",
    "versions": "version",
    "imports": "import",
}


def _called(name: str, value: object) -> str:
    """What so many of it are called."""
    words = _CALLED.get(name, name.replace("_", " "))
    return " ".join(_ONE.get(word, word) for word in words.split()) if value == 1 else words


def _called_any(*names: str) -> frozenset[str]:
    """What one and what many are called."""
    return frozenset(_called(name, number) for name in names for number in (1, 2))


# Counts of what a step looked at or found standing.
_LOOKED_AT = _called_any("refs", "contacts", "checked", "held", "waiting", "model_version", "requests_held")

# Counts of all that the organisation has.
_SIZES = _called_any("refs", "contacts", "waiting", "frozen", "indexed")


@dataclass(frozen=True)
class Totals:
    """What a night did to the groups."""

    joined: int = 0
    split: int = 0
    held: int = 0


@dataclass(frozen=True)
class StepLine:
    """One step as its line shows it; `percent` of its rows are done, `seconds_left` where it can be told."""

    name: str
    sentence: str
    state: str
    tone: str
    done: int
    total: int
    percent: int
    seconds: float
    seconds_left: int | None
    counts: Sequence[tuple[str, object]]
    error: str


@dataclass(frozen=True)
class NightLine:
    """A night in one line, with its steps. One that was cut off waits to be taken up; nobody is at it."""

    run: NightRun
    state: str
    tone: str
    is_running: bool
    is_cut_off: bool
    seconds: float
    totals: Totals
    steps: Sequence[StepLine]

    @property
    def steps_done(self) -> int:
        return sum(step.tone == "good" for step in self.steps)

    @property
    def is_held(self) -> bool:
        return self.run.state == RunState.HELD


@dataclass(frozen=True)
class MorningReport:
    """What came of a night: the steps that did something, nothing, failed, were held or left out."""

    did: Sequence[tuple[str, Sequence[tuple[str, object]]]]
    quiet: Sequence[str]
    failed: Sequence[StepLine]
    held: Sequence[StepLine]
    left_out: Sequence[str]


def read_night(
    run: NightRun,
    *,
    now: datetime,
    sentences: Mapping[str, str] | None = None,
    is_at_work: Callable[[], bool] = lambda: True,
) -> NightLine:
    """The night in words and figures; asks nothing when its steps are prefetched.

    `sentences` says of each step, by its name, what it does. `is_at_work` is asked about a night that has
    not ended: whether a process is at it, for else it was cut off.
    """
    steps = sorted(run.steps.all(), key=lambda step: step.position)
    is_cut_off = run.state == RunState.RUNNING and not is_at_work()
    return NightLine(
        run=run,
        state="cut off" if is_cut_off else run.get_state_display(),
        tone="bad" if is_cut_off else TONES[RunState(run.state)],
        is_running=run.state == RunState.RUNNING,
        is_cut_off=is_cut_off,
        seconds=_seconds(run, steps, now=now),
        totals=Totals(**{name: _summed(steps, name) for name in ("joined", "split", "held")}),
        steps=[_read_step(step, now=now, sentence=(sentences or {}).get(step.name, "")) for step in steps],
    )


def without_sizes(night: NightLine) -> NightLine:
    """The night for whoever does not see every system: what it did, and not how much there is in all."""
    steps = [
        replace(step, done=0, total=0, counts=[count for count in step.counts if count[0] not in _SIZES])
        for step in night.steps
    ]
    return replace(night, steps=steps)


def morning_report(night: NightLine) -> MorningReport | None:
    """What the night tells in the morning; None as long as it has not ended."""
    if night.is_running:
        return None
    done = [step for step in night.steps if step.tone == "good"]
    effects = [
        (step, [(name, value) for name, value in step.counts if _is_effect(name, value)]) for step in done
    ]
    return MorningReport(
        did=[(step.name, counts) for step, counts in effects if counts],
        quiet=[step.name for step, counts in effects if not counts],
        failed=[step for step in night.steps if step.tone == "bad"],
        held=[step for step in night.steps if step.tone == "warn"],
        left_out=[step.name for step in night.steps if step.tone == "off"],
    )


def _is_effect(name: str, value: object) -> bool:
    """Whether the count says that something was done, and not only how much was looked at."""
    return isinstance(value, int) and value > 0 and name not in _LOOKED_AT


def _seconds(run: NightRun, steps: Sequence[NightStep], *, now: datetime) -> float:
    """How long it took; of a night that waited for somebody to let it go on, its steps alone."""
    if run.finished_at is not None and run.held_grouping_id is not None:
        return sum(step.seconds for step in steps)
    return ((run.finished_at or now) - run.started_at).total_seconds()


def _summed(steps: Iterable[NightStep], name: str) -> int:
    found = (step.counts.get(name) for step in steps)
    return sum(value for value in found if isinstance(value, int))


def _read_step(step: NightStep, *, now: datetime, sentence: str) -> StepLine:
    began = step.started_at if step.state == RunState.RUNNING else None
    seconds = (now - began).total_seconds() if began else step.seconds
    share = min(1.0, step.done / step.total) if step.total else float(step.state == RunState.DONE)
    return StepLine(
        name=step.name,
        sentence=sentence,
        state=step.get_state_display(),
        tone=TONES[RunState(step.state)],
        done=step.done,
        total=step.total,
        percent=round(share * 100),
        seconds=seconds,
        seconds_left=round(seconds / share - seconds) if began and share > 0 else None,
        counts=[(_called(name, value), value) for name, value in step.counts.items()],
        error=step.error,
    )

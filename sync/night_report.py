"""A night as people read it: its steps in words, its totals, the last nights as bars."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from contacts.models import Organisation
from sync.models import NightRun, NightStep
from sync.models.night import RunState

# How a state looks: a shape and a tone (kore.css), beside the word.
TONES = {
    RunState.WAITING: "off",
    RunState.RUNNING: "busy",
    RunState.DONE: "good",
    RunState.FAILED: "bad",
}
BAR_HEIGHT = 44
BAR_STEP = 10


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
    """A night in one line, with its steps."""

    run: NightRun
    tone: str
    is_running: bool
    seconds: float
    totals: Totals
    steps: Sequence[StepLine]

    @property
    def steps_done(self) -> int:
        return sum(step.tone == "good" for step in self.steps)


@dataclass(frozen=True)
class NightBar:
    """A night in the chart of the last ones: a column of joined and split, in the units of its SVG."""

    line: NightLine
    x: int
    joined_y: int
    joined_height: int
    split_y: int
    split_height: int

    @property
    def middle_x(self) -> float:
        """Where the mark of a failed or a running night stands."""
        return self.x + 3.5


def read_night(run: NightRun, *, now: datetime, sentences: Mapping[str, str] | None = None) -> NightLine:
    """The night in words and figures; asks nothing when its steps are prefetched.

    `sentences` says of each step, by its name, what it does.
    """
    steps = sorted(run.steps.all(), key=lambda step: step.position)
    return NightLine(
        run=run,
        tone=TONES[RunState(run.state)],
        is_running=run.state == RunState.RUNNING,
        seconds=((run.finished_at or now) - run.started_at).total_seconds(),
        totals=Totals(**{name: _summed(steps, name) for name in ("joined", "split", "held")}),
        steps=[_read_step(step, now=now, sentence=(sentences or {}).get(step.name, "")) for step in steps],
    )


def next_night_at(organisation: Organisation, *, now: datetime) -> datetime:
    """When the next night begins, in the organisation's time zone."""
    zone = ZoneInfo(organisation.time_zone)
    local = now.astimezone(zone)
    tonight = datetime.combine(local.date(), organisation.night_at, tzinfo=zone)
    # Compared as moments: clock times alone would call the hour that autumn repeats still to come.
    return tonight if tonight.timestamp() > now.timestamp() else tonight + timedelta(days=1)


def night_bars(nights: Iterable[NightLine]) -> list[NightBar]:
    """Columns from the oldest to the newest night, scaled to the busiest of them."""
    oldest_first = sorted(nights, key=lambda night: night.run.started_at)
    busiest = max((night.totals.joined + night.totals.split for night in oldest_first), default=0)
    bars = []
    for number, night in enumerate(oldest_first):
        joined = _height(night.totals.joined, busiest)
        split = _height(night.totals.split, busiest)
        bars.append(
            NightBar(
                line=night,
                x=number * BAR_STEP,
                joined_y=BAR_HEIGHT - joined,
                joined_height=joined,
                split_y=BAR_HEIGHT - joined - split,
                split_height=split,
            )
        )
    return bars


def _height(rows: int, busiest: int) -> int:
    """At least two units for anything at all: a small night must not look like none."""
    return max(2, round(rows / busiest * (BAR_HEIGHT - 6))) if rows else 0


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
        counts=[(name.replace("_", " "), value) for name, value in step.counts.items()],
        error=step.error,
    )

"""The last nights drawn: what they joined and split, how long they took, and how long each step took."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from sync.night_report import NightLine

BAR_HEIGHT = 44
BAR_STEP = 10
SPARK_HEIGHT = 20
SPARK_STEP = 5


@dataclass(frozen=True)
class NightBar:
    """A night in the charts of the last ones, in the units of their SVG.

    A column of joined and split in one, a column of its duration in the other. `busiest` (groups) and
    `longest` (seconds) are what a column of full height stands for.
    """

    line: NightLine
    x: int
    joined_y: int
    joined_height: int
    split_y: int
    split_height: int
    took_y: int
    took_height: int
    busiest: int
    longest: float

    @property
    def middle_x(self) -> float:
        """Where the mark of a failed, a held or a running night stands."""
        return self.x + 3.5


@dataclass(frozen=True)
class StepTimes:
    """How long a step took in the last nights, oldest first; a blank spark for a night without it."""

    name: str
    last: float | None
    usual: float
    longest: float
    sparks: Sequence["Spark"]


@dataclass(frozen=True)
class Spark:
    """One night's duration of a step as a column."""

    x: int
    y: int
    height: int


def night_bars(nights: Iterable[NightLine]) -> list[NightBar]:
    """Columns from the oldest to the newest night, scaled to the busiest and to the longest of them."""
    oldest_first = _oldest_first(nights)
    busiest = max((night.totals.joined + night.totals.split for night in oldest_first), default=0)
    longest = max((night.seconds for night in oldest_first if not night.is_running), default=0)
    bars = []
    for number, night in enumerate(oldest_first):
        joined = _height(night.totals.joined, busiest, BAR_HEIGHT - 6)
        split = _height(night.totals.split, busiest, BAR_HEIGHT - 6)
        took = 0 if night.is_running else _height(night.seconds, longest, BAR_HEIGHT - 6)
        bars.append(
            NightBar(
                line=night,
                x=number * BAR_STEP,
                joined_y=BAR_HEIGHT - joined,
                joined_height=joined,
                split_y=BAR_HEIGHT - joined - split,
                split_height=split,
                took_y=BAR_HEIGHT - took,
                took_height=took,
                busiest=busiest,
                longest=longest,
            )
        )
    return bars


def step_times(nights: Iterable[NightLine]) -> list[StepTimes]:
    """A line for each step of the newest night that has ended, over the nights in which it was done.

    Each step is scaled to its own longest time: the lines show what has grown, not which is the longest.
    """
    ended = [night for night in _oldest_first(nights) if not night.is_running]
    if not ended:
        return []
    return [_step_times(step.name, ended) for step in ended[-1].steps]


def _step_times(name: str, nights: Sequence[NightLine]) -> StepTimes:
    by_night = [
        next((step.seconds for step in night.steps if step.name == name and step.tone == "good"), None)
        for night in nights
    ]
    done = [seconds for seconds in by_night if seconds is not None]
    longest = max(done, default=0)
    sparks = []
    for number, seconds in enumerate(by_night):
        height = _height(seconds or 0, longest, SPARK_HEIGHT)
        sparks.append(Spark(x=number * SPARK_STEP, y=SPARK_HEIGHT - height, height=height))
    return StepTimes(name, by_night[-1], median(done) if done else 0, longest, sparks)


def _oldest_first(nights: Iterable[NightLine]) -> list[NightLine]:
    return sorted(nights, key=lambda night: night.run.started_at)


def _height(part: float, most: float, full: int) -> int:
    """At least two units for anything at all: a small night must not look like none."""
    return max(2, round(part / most * full)) if part else 0

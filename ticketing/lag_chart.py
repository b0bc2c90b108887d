"""The last pulls of a connection drawn: how old the oldest change was, and how much they brought."""

from collections.abc import Iterable
from dataclasses import dataclass

from ticketing.connection_report import RUN_TONES
from ticketing.models import PullRun

BAR_HEIGHT = 44
BAR_STEP = 6
PULLS_DRAWN = 50


@dataclass(frozen=True)
class PullBar:
    """A pull in the two charts, in the units of their SVG: a column of lag, a column of rows that it wrote.

    `oldest` (seconds) and `most` (rows) are what a column of full height stands for.
    """

    run: PullRun
    tone: str
    x: int
    lag_y: int
    lag_height: int
    rows: int
    rows_y: int
    rows_height: int
    oldest: float
    most: int

    @property
    def middle_x(self) -> float:
        """Where the mark of a pull stands that did not go through."""
        return self.x + 2


def pull_bars(newest_first: Iterable[PullRun]) -> list[PullBar]:
    """Columns from the oldest to the newest pull, scaled to the oldest change and to the most rows."""
    runs = list(newest_first)[:PULLS_DRAWN][::-1]
    oldest = max((run.lag_seconds or 0.0 for run in runs), default=0.0)
    most = max((_written(run) for run in runs), default=0)
    return [_bar(number, run, oldest, most) for number, run in enumerate(runs)]


def _bar(number: int, run: PullRun, oldest: float, most: int) -> PullBar:
    lag = _height(run.lag_seconds or 0, oldest)
    rows = _height(_written(run), most)
    return PullBar(
        run=run,
        tone=RUN_TONES[PullRun.State(run.state)],
        x=number * BAR_STEP,
        lag_y=BAR_HEIGHT - lag,
        lag_height=lag,
        rows=_written(run),
        rows_y=BAR_HEIGHT - rows,
        rows_height=rows,
        oldest=oldest,
        most=most,
    )


def _written(run: PullRun) -> int:
    return run.counts.get("created", 0) + run.counts.get("changed", 0)


def _height(part: float, most: float) -> int:
    """At least one unit for anything at all: a small pull must not look like none."""
    return max(1, round(part / most * (BAR_HEIGHT - 4))) if part and most else 0

"""A connection as people read it: how it stands in one word, what its last pull brought, what waits."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.db.models import Count, Max, Q
from django_q.models import Schedule

from ticketing.connectors import KINDS
from ticketing.models import PullAlarm, PullRun, SourceConnection, WaitingRow
from ticketing.services.pull_progress import Progress, is_pulling, pull_progress
from ticketing.services.pull_schedule import schedule_name

# A run that got on so lately is surely at work; of others it is asked.
LATELY = timedelta(seconds=20)


class Standing(StrEnum):
    """How a connection stands; the first that holds, in this order."""

    PULLING = "pulling"
    CUT_OFF = "cut off"
    FAILING = "failing"
    HELD = "held"
    PAUSED = "paused"
    LATE = "late"
    NEVER = "never pulled"
    WELL = "well"


# How a standing looks: a shape and a tone (kore.css), beside the word.
TONES = {
    Standing.PULLING: "busy",
    Standing.CUT_OFF: "bad",
    Standing.FAILING: "bad",
    Standing.HELD: "warn",
    Standing.PAUSED: "off",
    Standing.LATE: "warn",
    Standing.NEVER: "off",
    Standing.WELL: "good",
}
# Alarms that a standing tells already.
ALARMS_TOLD = {
    Standing.FAILING: (PullAlarm.Kind.FAILING,),
    Standing.LATE: (PullAlarm.Kind.LATE,),
    Standing.HELD: (PullAlarm.Kind.TOO_MANY_GONE, PullAlarm.Kind.EMPTY_LIST),
}
RUN_TONES = {
    PullRun.State.RUNNING: "busy",
    PullRun.State.DONE: "good",
    PullRun.State.FAILED: "bad",
    PullRun.State.HELD: "warn",
    PullRun.State.DROPPED: "off",
}
# What a pull counts, in the order in which people ask for it, and in their words.
COUNTS = {
    "downloaded": "read",
    "created": "created",
    "changed": "changed",
    "unchanged": "unchanged",
    "rejected": "rejected",
    "still": "still rejected",
    "held": "held back",
    "conflicts": "at odds with hand edits",
    "missing": "gone at source",
    "merged": "merged at source",
    "erased": "erased at source",
    "back": "back again",
}


@dataclass(frozen=True)
class ConnectionLine:
    """A connection in one line. `done` is its last pull that went through, `latest` the last one begun."""

    connection: SourceConnection
    kind: str
    standing: Standing
    since: datetime | None
    latest: PullRun | None
    done: PullRun | None
    progress: Progress | None
    percent: int | None
    fresh_seconds: float | None
    next_at: datetime | None
    is_due: bool
    waiting: int
    alarms: Sequence[PullAlarm]

    @property
    def tone(self) -> str:
        return TONES[self.standing]

    @property
    def is_pulling(self) -> bool:
        return self.standing is Standing.PULLING

    @property
    def other_alarms(self) -> list[PullAlarm]:
        """The alarms that say more than the standing does already."""
        told = ALARMS_TOLD.get(self.standing, ())
        return [alarm for alarm in self.alarms if alarm.kind not in told]

    @property
    def is_in_trouble(self) -> bool:
        """Whether somebody should look at it."""
        return bool(self.alarms) or self.tone in ("bad", "warn")


@dataclass(frozen=True)
class PhaseLine:
    """One phase of a pull: done, under way, still to come, or not part of this pull."""

    name: str
    label: str
    state: str
    tone: str
    seconds: float | None


@dataclass(frozen=True)
class RunLine:
    """A pull in words and figures."""

    run: PullRun
    tone: str
    is_running: bool
    is_cut_off: bool
    seconds: float
    counts: Sequence[tuple[str, int]]
    phases: Sequence[PhaseLine]
    progress: Progress | None
    percent: int | None


def read_connections(connections: Iterable[SourceConnection], *, now: datetime) -> list[ConnectionLine]:
    """The connections in lines, in their order; the number of queries does not depend on how many they are.

    Their systems must have been selected with them.
    """
    rows = list(connections)
    ids = [connection.pk for connection in rows]
    runs, latest, done = _last_runs(ids)
    waiting = dict(
        WaitingRow.objects.filter(connection__in=ids)
        .values_list("connection")
        .annotate(Count("pk"))
        .order_by()
    )
    alarms = open_alarms(ids)
    next_at = dict(Schedule.objects.filter(name__in=map(schedule_name, rows)).values_list("name", "next_run"))
    return [
        _line(
            connection,
            latest=runs.get(latest.get(connection.pk)),
            done=runs.get(done.get(connection.pk)),
            waiting=waiting.get(connection.pk, 0),
            alarms=alarms.get(connection.pk, []),
            next_at=next_at.get(schedule_name(connection)),
            now=now,
        )
        for connection in rows
    ]


def read_run(run: PullRun, *, now: datetime) -> RunLine:
    """One pull in words and figures."""
    is_running = run.state == PullRun.State.RUNNING
    is_cut_off = is_running and not _is_at_work(run, now=now)
    progress = pull_progress(run, now=now) if is_running else None
    return RunLine(
        run=run,
        tone="bad" if is_cut_off else RUN_TONES[PullRun.State(run.state)],
        is_running=is_running,
        is_cut_off=is_cut_off,
        seconds=_seconds(run, now=now),
        counts=counts_of(run),
        phases=_phases(run),
        progress=progress,
        percent=_percent(progress),
    )


def counts_of(run: PullRun) -> list[tuple[str, int]]:
    """What the pull counted, in the order and the words of COUNTS; the first five always."""
    always = list(COUNTS)[:5]
    return [
        (words, run.counts.get(name, 0))
        for name, words in COUNTS.items()
        if name in always or run.counts.get(name)
    ]


def open_alarms(connection_ids: Iterable[int]) -> dict[int, list[PullAlarm]]:
    """The alarms that are not over, by connection, the oldest first."""
    found: dict[int, list[PullAlarm]] = {}
    for alarm in PullAlarm.objects.filter(connection__in=connection_ids, over_at=None).order_by(
        "raised_at", "pk"
    ):
        found.setdefault(alarm.connection_id, []).append(alarm)
    return found


def _last_runs(ids: Sequence[int]) -> tuple[dict[int | None, PullRun], dict[int, int], dict[int, int]]:
    """The last runs by id; for each connection the id of the latest one, and of the latest that is done."""
    rows = (
        PullRun.objects.filter(connection__in=ids)
        .values_list("connection")
        .annotate(newest=Max("pk"), done=Max("pk", filter=Q(state=PullRun.State.DONE)))
        .order_by()
    )
    latest = {connection: newest for connection, newest, _done in rows}
    done = {connection: newest for connection, _latest, newest in rows if newest}
    runs = PullRun.objects.in_bulk({*latest.values(), *done.values()})
    return dict(runs), latest, done


def _line(
    connection: SourceConnection,
    *,
    latest: PullRun | None,
    done: PullRun | None,
    waiting: int,
    alarms: Sequence[PullAlarm],
    next_at: datetime | None,
    now: datetime,
) -> ConnectionLine:
    standing, since = _standing(connection, latest, alarms, now=now)
    progress = pull_progress(latest, now=now) if latest and standing is Standing.PULLING else None
    fresh = connection.fresh_as_of
    kind = KINDS.get(connection.connector)
    return ConnectionLine(
        connection=connection,
        kind=kind.title if kind else connection.connector,
        standing=standing,
        since=since,
        latest=latest,
        done=done,
        progress=progress,
        percent=_percent(progress),
        fresh_seconds=max(0.0, (now - fresh).total_seconds()) if fresh else None,
        next_at=None if connection.is_paused else next_at,
        is_due=next_at is not None and next_at <= now,
        waiting=waiting,
        alarms=alarms,
    )


def _standing(
    connection: SourceConnection, latest: PullRun | None, alarms: Sequence[PullAlarm], *, now: datetime
) -> tuple[Standing, datetime | None]:
    """How the connection stands, and since when where that matters."""
    raised = {alarm.kind: alarm.raised_at for alarm in alarms}
    if latest and latest.state == PullRun.State.RUNNING:
        if _is_at_work(latest, now=now):
            return Standing.PULLING, latest.started_at
        return Standing.CUT_OFF, latest.worked_at
    if latest and latest.state == PullRun.State.FAILED:
        return Standing.FAILING, raised.get(PullAlarm.Kind.FAILING, latest.started_at)
    if latest and latest.state == PullRun.State.HELD:
        return Standing.HELD, latest.ended_at or latest.worked_at
    for kind in (PullAlarm.Kind.TOO_MANY_GONE, PullAlarm.Kind.EMPTY_LIST):
        if kind in raised:  # later pulls brought what changed, but none could mark what is gone
            return Standing.HELD, raised[kind]
    if connection.is_paused:
        return Standing.PAUSED, None
    if PullAlarm.Kind.LATE in raised:
        return Standing.LATE, raised[PullAlarm.Kind.LATE]
    return (Standing.WELL, None) if latest else (Standing.NEVER, None)


def _is_at_work(run: PullRun, *, now: datetime) -> bool:
    return now - run.worked_at < LATELY or is_pulling(run)


def _percent(progress: Progress | None) -> int | None:
    if progress is None or not progress.total:
        return None
    return min(100, round(progress.done / progress.total * 100))


def _seconds(run: PullRun, *, now: datetime) -> float:
    """How long it worked; while it runs, how long ago it began."""
    if run.state == PullRun.State.RUNNING:
        return (now - run.started_at).total_seconds()
    return sum(run.seconds.values()) or ((run.ended_at or run.worked_at) - run.started_at).total_seconds()


def _phases(run: PullRun) -> list[PhaseLine]:
    """Download, Apply, Publish and Compare: how each stands in this pull."""
    phases = [phase for phase in PullRun.Phase if phase is not PullRun.Phase.OVER]
    at = PullRun.Phase(run.phase)
    here = phases.index(at) if at in phases else len(phases)
    return [_phase(run, phase, number - here) for number, phase in enumerate(phases)]


def _phase(run: PullRun, phase: PullRun.Phase, ahead: int) -> PhaseLine:
    """One phase that is so many steps ahead of where the pull is."""
    seconds = run.seconds.get(phase.value)
    if phase is PullRun.Phase.COMPARE and not run.lists_accounts and ahead != 0:
        state, tone = "not this time", "off"
    elif ahead < 0:
        state, tone = "done", "good"
    elif ahead > 0:
        state, tone = ("to come", "off") if run.ended_at is None else ("not reached", "off")
    else:
        tone = RUN_TONES[PullRun.State(run.state)]
        state = {"busy": "under way", "bad": "failed", "warn": "held", "off": "dropped", "good": "done"}[tone]
    return PhaseLine(phase.value, str(phase.label), state, tone, seconds)

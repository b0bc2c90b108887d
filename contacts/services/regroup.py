"""A grouping run: the engine over all System Refs, and the mapping made to say what it found."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

import pyarrow.compute as pc
from django.conf import settings

from contacts.exclusive import exclusive
from contacts.group_plan import ChangeSet, Plan
from contacts.grouping.engine import group
from contacts.grouping.model import Model
from contacts.grouping.records import Decision, Grouping
from contacts.models import GroupingRun, ModelVersion, SystemRef
from contacts.services.brake import hold, look
from contacts.services.first_placements import refs_at_once, write_first_placements
from contacts.services.grouping_input import GroupingInput, read_input
from contacts.services.grouping_links import write_links
from contacts.services.grouping_model import active_version, freeze, is_due, load_model, store_model
from contacts.services.regroup_writes import write_changes

REFS_AT_ONCE = 2_000  # a transaction of well under a second, also on SQLite
GROUPING = "Grouping"  # the name under which runs exclude each other

Progress = Callable[[int, int], None]  # rows written so far, and of how many


@dataclass(frozen=True)
class Regrouped:
    """What a run found and did.

    `refs` were looked at, `contacts` are the groups found. `joined` and `split` balance: contacts = contacts
    before + refs placed - joined + split (group_plan.Counts). `held`: pairs kept back, for review or by a
    guard. `waiting`: refs that changed places while the run was at work; the next run takes them. Seconds are
    those of the engine alone and of the whole run.
    """

    refs: int
    contacts: int
    joined: int
    split: int
    held: int
    waiting: int
    engine_seconds: float
    seconds: float


def regroup(
    *, now: datetime, full: bool = True, dry_run: bool = False, progress: Progress | None = None
) -> Regrouped:
    """Group all System Refs and write what differs from the mapping that stands.

    One at a time: raises AlreadyRunning. Written in transactions that each leave everything whole, so it may
    be killed anywhere; the next run does the rest, and a run with nothing to do writes only its own record.
    A dry run counts the same and writes nothing. Raises HeldByBrake, before anything is written.
    """
    began = time.monotonic()
    with exclusive(GROUPING):
        given = read_input()
        version, model = _model(given, dry_run=dry_run, now=now)
        engine_began = time.monotonic()
        grouping = _group(given, model)
        engine_seconds = time.monotonic() - engine_began
        with _plan(given, grouping) as plan:
            waiting = 0
            run = None
            if version is not None:
                if held := look(plan, grouping.links, refs=given.refs):
                    hold(held, is_full=full, version=version, now=now)
                run = GroupingRun.objects.create(is_full=full, model_version=version, started_at=now)
                waiting = _write(plan, grouping, given=given, run=run, now=now, progress=progress)
            regrouped = Regrouped(
                refs=grouping.partition.num_rows,
                contacts=plan.counts.contacts,
                joined=plan.counts.joined,
                split=plan.counts.split,
                held=_held(grouping),
                waiting=waiting,
                engine_seconds=round(engine_seconds, 3),
                seconds=round(time.monotonic() - began, 3),
            )
        if run is not None:
            _finish(run, regrouped, grouping)
    return regrouped


def freeze_when_due(*, now: datetime) -> ModelVersion | None:
    """Freeze a new model version where the one in force does not fit; None where it does."""
    with exclusive(GROUPING):
        if not is_due(SystemRef.objects.count()):
            return None
        given = read_input()
        return store_model(freeze(given.refs, default_country=given.default_country), now=now)


def _model(given: GroupingInput, *, dry_run: bool, now: datetime) -> tuple[ModelVersion | None, Model]:
    """The version in force or, where that does not fit, a new one; a dry run stores none and names none."""
    if is_due(given.refs.num_rows):
        model = freeze(given.refs, default_country=given.default_country)
        return (None if dry_run else store_model(model, now=now)), model
    standing = active_version()
    assert standing is not None  # else a new one were due
    return (None if dry_run else standing), load_model(standing)


def _group(given: GroupingInput, model: Model) -> Grouping:
    return group(
        given.refs,
        model=model,
        decisions=given.decisions,
        excluded_systems=given.excluded_systems,
        default_country=given.default_country,
        memory_limit=settings.GROUPING_MEMORY,
        threads=settings.GROUPING_THREADS,
    )


def _plan(given: GroupingInput, grouping: Grouping) -> Plan:
    return Plan(
        grouping.partition,
        standing=given.standing,
        order=given.refs,
        memory_limit=settings.GROUPING_MEMORY,
        threads=settings.GROUPING_THREADS,
    )


def _write(
    plan: Plan,
    grouping: Grouping,
    *,
    given: GroupingInput,
    run: GroupingRun,
    now: datetime,
    progress: Progress | None,
) -> int:
    """Mapping first, then links; returns how many refs have to wait for the next run."""
    total = plan.counts.changing_refs + grouping.links.num_rows
    done = waiting = 0

    def advance(rows: int) -> None:
        nonlocal done
        done += rows
        if progress:
            progress(done, total)

    pairs = {*given.decisions.must, *given.decisions.never}
    for change_sets, refs in _chunks(plan.change_sets()):
        waiting += len(write_changes(change_sets, pairs=pairs, run=run, now=now))
        advance(refs)
    for placements in plan.first_placements(refs_at_once()):
        waiting += len(write_first_placements(placements, run=run, now=now))
        advance(placements.num_rows)
    write_links(grouping.links, version=run.model_version, progress=advance)
    advance(total - done)
    return waiting


def _chunks(change_sets: Iterable[ChangeSet]) -> Iterator[tuple[list[ChangeSet], int]]:
    """Whole change sets, a few thousand refs at a time, with the number of refs."""
    chunk: list[ChangeSet] = []
    refs = 0
    for change_set in change_sets:
        chunk.append(change_set)
        refs += sum(len(part.members) for part in change_set)
        if refs >= REFS_AT_ONCE:
            yield chunk, refs
            chunk, refs = [], 0
    if chunk:
        yield chunk, refs


def _held(grouping: Grouping) -> int:
    return pc.sum(pc.not_equal(grouping.links["decision"], Decision.JOINED.value)).as_py() or 0


def _finish(run: GroupingRun, regrouped: Regrouped, grouping: Grouping) -> None:
    poisoned = Counter(grouping.poisoned["kind"].to_pylist())
    run.counts = {**asdict(regrouped), "poisoned": dict(poisoned)}
    run.finished_at = run.started_at + timedelta(seconds=regrouped.seconds)
    run.save(update_fields=["counts", "finished_at"])

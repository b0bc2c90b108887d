"""A grouping run: the engine over the System Refs, and the mapping made to say what it found."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

import pyarrow.compute as pc
from django.conf import settings

from contacts.exclusive import exclusive
from contacts.group_plan import ChangeSet, Plan
from contacts.grouping.records import Decision
from contacts.models import Contact, GroupingRun, HeldLine, Link
from contacts.services.brake import hold, look
from contacts.services.first_placements import refs_at_once, write_first_placements
from contacts.services.grouping_found import Found, find
from contacts.services.grouping_links import redecide_links, write_links
from contacts.services.grouping_model import follow
from contacts.services.grouping_state import lift_spent_decisions, settle_pending, write_keys
from contacts.services.held_lines import held_ref_ids
from contacts.services.regroup_writes import refs_of, write_changes

REFS_AT_ONCE = 2_000  # a transaction of well under a second, also on SQLite
KEYS_TOLD = 20  # of those that became too common, in the run's record
GROUPING = "Grouping"  # the name under which runs exclude each other

Progress = Callable[[int, int], None]  # rows written so far, and of how many


@dataclass(frozen=True)
class Regrouped:
    """What a run found and did.

    `refs` were looked at; `contacts` there are now. `joined` and `split` balance: contacts = contacts
    before + refs placed - joined + split (group_plan.Counts). `held`: pairs kept back in all, for review or
    by a guard. `waiting`: refs that changed places while the run was at work; the next run takes them.
    `outgrown`: keys that had become too common for the model, so that the run froze a new one (ADR 0011).
    Seconds are those of the engine alone and of the whole run.
    """

    refs: int
    contacts: int
    joined: int
    split: int
    held: int
    waiting: int
    outgrown: int
    engine_seconds: float
    seconds: float


def regroup(
    *, now: datetime, full: bool = False, dry_run: bool = False, progress: Progress | None = None
) -> Regrouped:
    """Group what changed since the last run, or all System Refs, and write what differs from what stands.

    Both come to the same groups (ADR 0009); where only a full run will do, it is one. One at a time: raises
    AlreadyRunning. Written in transactions that each leave everything whole, so it may be killed anywhere;
    the next run does the rest, and a run with nothing to do writes only its own record. A dry run counts the
    same and writes nothing. Raises HeldByBrake, before any group, link or model in force is another; a model
    that it froze waits.
    """
    began = time.monotonic()
    with exclusive(GROUPING):
        if not dry_run:
            lift_spent_decisions(now=now)
        found = find(now=now, full=full, dry_run=dry_run)
        before = Contact.objects.count()
        with _plan(found) as plan:
            run, waiting = None, 0
            if not dry_run:
                run = _begin(found, plan, now=now)
                waiting = _write(found, plan, run=run, now=now, progress=progress)
            regrouped = Regrouped(
                refs=found.partition.num_rows,
                contacts=before + plan.counts.placed - plan.counts.joined + plan.counts.split,
                joined=plan.counts.joined,
                split=plan.counts.split,
                held=_held(found),
                waiting=waiting,
                outgrown=len(found.outgrown),
                engine_seconds=round(found.engine_seconds, 3),
                seconds=round(time.monotonic() - began, 3),
            )
        if run is not None:
            _finish(run, regrouped, found)
    return regrouped


def _plan(found: Found) -> Plan:
    return Plan(
        found.partition,
        standing=found.standing,
        order=found.refs,
        memory_limit=settings.GROUPING_MEMORY,
        threads=settings.GROUPING_THREADS,
    )


def _begin(found: Found, plan: Plan, *, now: datetime) -> GroupingRun:
    version = found.basis.version
    assert version is not None  # only a dry run goes by a model that is not kept
    if held := look(plan, found.joinable, refs=found.refs, version=version):
        hold(held, is_full=found.is_full, version=version, now=now)
    follow(version, now=now)
    return GroupingRun.objects.create(
        is_full=found.is_full, model_version=version, basis=found.basis.fingerprint, started_at=now
    )


def _write(found: Found, plan: Plan, *, run: GroupingRun, now: datetime, progress: Progress | None) -> int:
    """The mapping, then the links, then what is known of the refs, and last that they no longer wait.

    In this order, cut off anywhere, the next run still knows whom to look at. Returns how many refs have to
    wait for the next run.
    """
    total = plan.counts.changing_refs + found.links.num_rows + found.keys.num_rows
    done = 0

    def advance(rows: int) -> None:
        nonlocal done
        done += rows
        if progress:
            progress(done, total)

    waiting = write_plan(plan, pairs=found.decided_pairs, run=run, now=now, progress=advance)
    write_links(found.links, version=run.model_version, progress=advance, standing=found.standing_links)
    if found.redecided is not None:
        redecide_links(found.redecided)
    write_keys(found.keys)
    settle_pending(found.pending, waiting=waiting, now=now)
    advance(total - done)
    return len(waiting)


def write_plan(
    plan: Plan,
    *,
    pairs: Collection[tuple[int, int]],
    run: GroupingRun | None,
    now: datetime,
    progress: Callable[[int], None],
) -> set[int]:
    """Let the mapping say what was planned; returns the refs that have to wait, for they changed since.

    Contacts that touch a ref which somebody holds wait too (HeldLine). `progress` is told how many more refs
    are done.
    """
    held = held_ref_ids(HeldLine.Kind.REGROUP)
    waiting: set[int] = set()
    for change_sets, refs in _chunks(plan.change_sets()):
        going = [change_set for change_set in change_sets if held.isdisjoint(refs_of([change_set]))]
        waiting |= refs_of(change_sets) - refs_of(going)
        waiting |= write_changes(going, pairs=pairs, run=run, now=now)
        progress(refs)
    for placements in plan.first_placements(refs_at_once()):
        waiting |= write_first_placements(placements, run=run, now=now)
        progress(placements.num_rows)
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


def _held(found: Found) -> int:
    """Pairs that are not joined: of a run over the changes, those that stand."""
    if found.is_full:
        return pc.sum(pc.not_equal(found.links["decision"], Decision.JOINED.value)).as_py() or 0
    return Link.objects.exclude(decision=Link.Decision.JOINED).count()


def _finish(run: GroupingRun, regrouped: Regrouped, found: Found) -> None:
    outgrown = {"outgrown_keys": found.outgrown[:KEYS_TOLD]} if found.outgrown else {}
    run.counts = {**asdict(regrouped), "poisoned": dict(found.poisoned or {}), **outgrown}
    run.finished_at = run.started_at + timedelta(seconds=regrouped.seconds)
    run.save(update_fields=["counts", "finished_at"])

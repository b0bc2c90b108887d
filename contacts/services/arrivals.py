"""What comes in from outside: the only creator and changer of System Refs for imports, pulls and the CRM."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import islice
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from django.contrib.auth.models import User
from django.db import transaction

from contacts import guards
from contacts.bulk import insert_for_each, insert_rows, reserve_ids, update_rows
from contacts.cleaning import Refusal
from contacts.models import FieldChange, Job, SystemRef, SystemRefPrint, TicketSystem
from contacts.models import Mapping as Placement
from contacts.models.any_of import AnyOf
from contacts.models.history import Origin, as_text
from contacts.models.person_details import DETAIL_FIELDS
from contacts.services.changes import record_changes
from contacts.services.golden import refresh_golden
from contacts.services.held_values import HandEdits, hand_edits_of
from contacts.services.row_prints import keep_prints

Row = TypeVar("Row")
_NO_PRINTS: Mapping[int, str] = MappingProxyType({})
ROWS_AT_ONCE = 2000  # on SQLite well under a second of the one write lock


class Arrival(NamedTuple):
    """What one system says of one System Ref, cleaned; a blank says nothing. A tuple, as there are many."""

    line: int
    system_ref: str
    title: str = ""
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    phone: str = ""
    mobile: str = ""
    company: str = ""
    address1: str = ""
    address2: str = ""
    city: str = ""
    postcode: str = ""
    country: str = ""
    date_of_birth: date | None = None
    language: str = ""
    external_customer_id: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


@dataclass
class Admitted:
    """What came of the rows, each counted once; `refusals` are those held or rejected, in the order given.

    Beside that, `conflicts` is how many hand edits are at odds with their source from now on.
    """

    created: int = 0
    changed: int = 0
    unchanged: int = 0
    held: int = 0
    rejected: int = 0
    conflicts: int = 0
    refusals: list[Refusal] = field(default_factory=list)

    def add(self, other: "Admitted") -> None:
        """Count the other's rows too."""
        for name in COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.conflicts += other.conflicts
        self.refusals += other.refusals

    def refuse(self, refusal: Refusal) -> None:
        """Count a row that does not go in."""
        self.refusals.append(refusal)
        if refusal.is_held:
            self.held += 1
        else:
            self.rejected += 1

    @property
    def counts(self) -> dict[str, int]:
        """The five counts by name."""
        return {name: getattr(self, name) for name in COUNTS}


COUNTS = ("created", "changed", "unchanged", "held", "rejected")

_VALUES = (*DETAIL_FIELDS, "created_at", "updated_at")
_UPDATED_AT = Arrival._fields.index("updated_at")
_STREET, _SECOND_LINE = map(Arrival._fields.index, ("address1", "address2"))
# The moment of the system's own last change orders the rows; it is not itself told as a change of the person.
_TOLD = tuple((Arrival._fields.index(name), name) for name in _VALUES if name != "updated_at")
_PLACES = {name: Arrival._fields.index(name) for name in DETAIL_FIELDS}
# A blank moment of the last change says nothing ever: it is what orders the rows.
_BLANKABLE = {name: Arrival._fields.index(name) for name in _VALUES if name != "updated_at"}
_INSERTED = ("id", "system_id", "system_ref", *_VALUES, "arrived_at", "spent_total", "holds_season_ticket")
_HISTORY = ("system_ref", "field", "before", "after", "origin", "actor", "job", "at")


@dataclass
class _Plan:
    """What one chunk comes to. States are shaped like an Arrival, with the ref's id for the line."""

    states: dict[str, tuple[Any, ...]]
    edits: HandEdits
    blanking: frozenset[int] = frozenset()  # the places of the values that a blank overwrites
    rows: dict[str, Arrival] = field(default_factory=dict)  # folded, by system_ref
    new: list[str] = field(default_factory=list)
    changed: dict[str, None] = field(default_factory=dict)  # a set that keeps its order
    told: list[tuple[str, str, str, str]] = field(default_factory=list)  # system_ref, field, before, after
    result: Admitted = field(default_factory=Admitted)


def admit(
    rows: Iterable[Arrival],
    *,
    system: TicketSystem,
    way_in: Origin,
    now: datetime,
    actor: User | None = None,
    job: Job | None = None,
    prints: Mapping[int, str] = _NO_PRINTS,
    blanking: Collection[str] = (),
) -> Admitted:
    """Write what a system says of its System Refs, with history; returns the counts and the refusals.

    Atomic per chunk of ROWS_AT_ONCE rows and idempotent: a row that says nothing new writes nothing, so that
    after a crash the same rows may be given again. Blanks never overwrite, unless the system is configured so
    and the column is among `blanking`: those that the file or the mapping really has. What a person put right
    holds while the source goes on saying what it said; a new value opens a conflict (ADR 13). Of two moments
    `updated_at` the newer wins, an equal one wins where values differ; a row without one changes only refs
    that never had one (DECISIONS 18). A System Ref that comes twice within a chunk is taken as what its rows
    say together, in the order given. New refs stay unplaced. `prints` by line are kept for refs that are now
    what their one row says, blanks aside: coming again, such a row need not be read.

    Safe under two callers: each chunk holds the row of its TicketSystem until it commits, so that callers
    for one system take turns chunk by chunk and never create a ref twice (a unique constraint stands behind
    that); rows to be changed are locked as well, against anyone who writes single refs.
    """
    total = Admitted()
    for chunk in chunks_of(rows):
        total.add(
            _admit_chunk(
                chunk,
                system=system,
                way_in=way_in,
                now=now,
                actor=actor,
                job=job,
                prints=prints,
                blanking=blanking,
            )
        )
    return total


def assess(
    rows: Iterable[Arrival], *, system: TicketSystem, way_in: Origin, blanking: Collection[str] = ()
) -> Admitted:
    """What `admit` would come to, writing nothing.

    Chunks do not know of each other: a new ref that comes again in a later chunk counts as created twice.
    """
    total = Admitted()
    for chunk in chunks_of(rows):
        stored = _stored(chunk, system=system)
        total.add(_plan(chunk, stored, system=system, way_in=way_in, blanking=blanking).result)
    return total


def chunks_of(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """The rows in lists of ROWS_AT_ONCE."""
    rest = iter(rows)
    while chunk := list(islice(rest, ROWS_AT_ONCE)):
        yield chunk


def take_turns(system: TicketSystem) -> None:
    """Hold the system's row until the transaction ends: writers of its refs and purchases take turns.

    Readers and foreign keys to it are not held up. SQLite has one writer at a time anyway.
    """
    TicketSystem.objects.select_for_update(no_key=True).values_list("pk").get(pk=system.pk)


@transaction.atomic
def _admit_chunk(
    chunk: Sequence[Arrival],
    *,
    system: TicketSystem,
    way_in: Origin,
    now: datetime,
    actor: User | None,
    job: Job | None,
    prints: Mapping[int, str],
    blanking: Collection[str],
) -> Admitted:
    take_turns(system)
    stored = _stored(chunk, system=system, lock=True)
    plan = _plan(chunk, stored, system=system, way_in=way_in, blanking=blanking)
    new_ids = dict(zip(plan.new, reserve_ids(SystemRef, len(plan.new)), strict=True))
    if plan.new or plan.changed:
        who = (way_in.value, actor.pk if actor else None, job.pk if job else None, now)
        _write(plan, new_ids, who, system=system, way_in=way_in, now=now)
    plan.edits.write(now=now)
    _keep_prints(plan, new_ids, prints)
    return plan.result


def _write(
    plan: _Plan,
    new_ids: dict[str, int],
    who: tuple[Any, ...],
    *,
    system: TicketSystem,
    way_in: Origin,
    now: datetime,
) -> None:
    """The refs, their history, and what follows."""
    ids = {**{ref: plan.states[ref][0] for ref in plan.changed}, **new_ids}
    _write_refs(plan, new_ids, system=system, now=now)
    creation = dict(zip(_HISTORY[1:], ("", "", "", *who), strict=True))
    insert_for_each(FieldChange, "system_ref", list(new_ids.values()), creation)
    insert_rows(FieldChange, _HISTORY, ((ids[ref], *change, *who) for ref, *change in plan.told))
    _follow_up(plan, ids, system=system, way_in=way_in, now=now)


def _keep_prints(plan: _Plan, new_ids: dict[str, int], prints: Mapping[int, str]) -> None:
    """Of the rows whose ref is now what they say: one that was left out as older is not what stands."""
    kept: dict[int, str] = {}
    for system_ref, row in plan.rows.items() if prints else ():
        state = plan.states[system_ref]
        if (print := prints.get(row.line)) and (
            row[1:] == state[1:] or _filled_row(state, row, plan.blanking) == state
        ):
            kept[new_ids.get(system_ref) or state[0]] = print
    keep_prints(SystemRefPrint, kept, standing=kept.keys() - new_ids.values())


def _write_refs(plan: _Plan, new_ids: dict[str, int], *, system: TicketSystem, now: datetime) -> None:
    no_purchases = (now, 0, False)
    insert_rows(
        SystemRef,
        _INSERTED,
        ((pk, system.pk, *plan.states[ref][1:], *no_purchases) for ref, pk in new_ids.items()),
    )
    changed = [plan.states[ref] for ref in plan.changed]
    update_rows(SystemRef, _VALUES, [(*values, pk) for pk, _system_ref, *values in changed])


def _follow_up(
    plan: _Plan, ids: dict[str, int], *, system: TicketSystem, way_in: Origin, now: datetime
) -> None:
    """The golden values of placed refs, the notes for the CRMs, and what the guards do afterwards."""
    if plan.changed:
        changed_ids = [ids[ref] for ref in plan.changed]
        contact_ids = set(
            Placement.objects.filter(system_ref__in=changed_ids).values_list("contact", flat=True)
        )
        refresh_golden(contact_ids, now=now)
        record_changes(sorted(contact_ids), now=now)
    guards.tell_written(list(ids.values()), system=system, way_in=way_in, now=now)


def _stored(chunk: Sequence[Arrival], *, system: TicketSystem, lock: bool = False) -> dict[str, tuple]:
    """The states of the chunk's refs that stand already, by system_ref; a few thousand values at most."""
    refs = SystemRef.objects.filter(AnyOf("system_ref", {row.system_ref for row in chunk}), system=system)
    if lock:
        refs = refs.order_by("pk").select_for_update(no_key=True)
    return {state[1]: state for state in refs.values_list("pk", "system_ref", *_VALUES)}


def _plan(
    chunk: Sequence[Arrival],
    stored: dict[str, tuple],
    *,
    system: TicketSystem,
    way_in: Origin,
    blanking: Collection[str],
) -> _Plan:
    """Hold what the rows say against the stored states, which are replaced as they change."""
    edits = hand_edits_of([state[0] for state in stored.values()])
    plan = _Plan(stored, edits, _may_blank(system, blanking))
    _fold(plan, chunk, system=system, way_in=way_in)
    for system_ref, row in plan.rows.items():
        state = stored.get(system_ref)
        if state is None:
            stored[system_ref] = (None, *row[1:])
            plan.new.append(system_ref)
            plan.result.created += 1
        elif (merged := _met(plan, state, row)) == state:
            plan.result.unchanged += 1
        else:
            _note_change(plan, state, merged)
            plan.result.changed += 1
    plan.result.conflicts = edits.conflicts
    return plan


def _met(plan: _Plan, state: tuple[Any, ...], row: Arrival) -> tuple[Any, ...]:
    """The state after the row, hand edits that hold left standing."""
    merged = _merged(state, row, plan.blanking)
    if state[0] not in plan.edits.held or _is_older(row, state):
        return merged
    return plan.edits.hold(state[0], row, state, merged, places=_PLACES, blanking=plan.blanking)


def _may_blank(system: TicketSystem, blanking: Collection[str]) -> frozenset[int]:
    if not system.blanks_overwrite:
        return frozenset()
    return frozenset(_BLANKABLE[name] for name in blanking if name in _BLANKABLE)


def _fold(plan: _Plan, chunk: Sequence[Arrival], *, system: TicketSystem, way_in: Origin) -> None:
    """Find what the chunk says of each System Ref in the end; refused rows are counted.

    A ref that stands twice in a file is folded before it is compared, else every import of the same file
    would change it to and fro. The rows that a later one completes count as unchanged; what several say has
    no line of its own, and is at 0.
    """
    against = guards.verdicts(chunk, system=system, way_in=way_in)
    folded = plan.rows
    for index, row in enumerate(chunk):
        if index in against:
            verdict = against[index]
            value = str(getattr(row, verdict.column, "")) if verdict.column else row.system_ref
            plan.result.refuse(Refusal(row.line, verdict.column, value, verdict.reason, verdict.is_held))
        elif (earlier := folded.get(row.system_ref)) is None:
            folded[row.system_ref] = row
        else:
            folded[row.system_ref] = Arrival._make((0, *_merged(earlier, row, plan.blanking)[1:]))
            plan.result.unchanged += 1


def _merged(state: tuple[Any, ...], row: Arrival, blanking: frozenset[int]) -> tuple[Any, ...]:
    """The state after the row: newer or equally new values, blanks left out that may not (DECISIONS 18)."""
    if row[1:] == state[1:]:
        return state
    return state if _is_older(row, state) else _filled_row(state, row, blanking)


def _is_older(row: Arrival, state: tuple[Any, ...]) -> bool:
    known_at = state[_UPDATED_AT]
    return known_at is not None and (row.updated_at is None or row.updated_at < known_at)


def _filled_row(state: tuple[Any, ...], row: Arrival, blanking: frozenset[int]) -> tuple[Any, ...]:
    """The row, its blanks filled from the state, but for those that overwrite.

    A street's second line belongs to its first: a new street leaves no flat of the old one over (BEYOND 3 c).
    """
    filled = [old if new is None or new == "" else new for old, new in zip(state, row, strict=True)]
    if row.address1 and state[_STREET] and row.address1 != state[_STREET]:
        filled[_SECOND_LINE] = row.address2
    for place in blanking:
        filled[place] = row[place]
    return (state[0], *filled[1:])


def _note_change(plan: _Plan, before: tuple[Any, ...], after: tuple[Any, ...]) -> None:
    system_ref = before[1]
    plan.states[system_ref] = after
    if before[0] is not None:
        plan.changed[system_ref] = None
    plan.told += [
        (system_ref, name, as_text(before[index]), as_text(after[index]))
        for index, name in _TOLD
        if before[index] != after[index]
    ]

"""A rehearsal of the coming night: its writing steps in one transaction, read off, then taken back."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import OperationalError, connection, transaction

from contacts.models import GroupRequest, HeldLine, HeldRef, SystemRef
from contacts.services.brake import HeldByBrake
from contacts.services.golden_check import stale_golden
from contacts.services.regroup import Regrouped, regroup
from sync.night import NIGHT, Progress, Step
from sync.night_effects import Effect, count_new, hold_kind_of, with_new_numbers
from sync.services.read_effects import (
    Marks,
    grouping_effects,
    known_group_ids,
    primary_effects,
    repair_golden,
    repair_sums,
)
from sync.services.run_night import night_is_at_work
from ticketing.services.recount import refs_with_wrong_sums

# Up to so many refs that are placed, joined or split are rehearsed; beyond them a dry run's numbers are told.
MOST_CHANGES = 20_000
# SQLite has one write lock, which a rehearsal holds while these are compared: nobody is to wait until they
# are refused, after 20 seconds.
MOST_REFS_EMBEDDED = 50_000
# How long the rows that a rehearsal writes to may be held against others.
MOST_SECONDS, MOST_SECONDS_EMBEDDED = 60.0, 12.0
LOCK_TIMEOUT = "3s"  # a rehearsal gives way to whoever works with a record

Tell = Callable[[str], None]  # what it is at, for people


class CannotRehearse(Exception):
    """Says why there is no plan now, in words for the person at the screen."""


class NightIsAtWork(CannotRehearse):
    def __init__(self) -> None:
        super().__init__("A night is at work. The plan of the next one can be made when it is over.")


class RecordsInUse(CannotRehearse):
    def __init__(self) -> None:
        super().__init__("Somebody is at work on the same records. Make the plan anew in a moment.")


class TakesTooLong(Exception):
    """The rehearsal would keep records from others for too long."""


@dataclass(frozen=True)
class Rehearsal:
    """What the coming night would do.

    `lines`: its effects, and behind them those of `held`, which it leaves undone because somebody holds them.
    `brake`: what the brake would hold it for (contacts.group_brake.Held as JSON), after the requests and
    before all else. `numbers`: a dry run's, and `why_numbers`, where the effects were too many to rehearse.
    """

    lines: Sequence[Effect] = ()
    held: Sequence[Effect] = ()
    brake: Mapping[str, Any] = field(default_factory=dict)
    numbers: Mapping[str, int] = field(default_factory=dict)
    why_numbers: str = ""


@dataclass
class _Walk:
    """One way through the night's steps."""

    effects: list[Effect] = field(default_factory=list)
    brake: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Repairs:
    """What the checks found before: they read everything, so they do it while nothing is locked."""

    golden: Sequence[int]
    sums: Sequence[int]


class _TakenBack(Exception):
    """Ends a transaction without a trace."""


def rehearse_night(
    *, night_at: datetime, tell: Tell = lambda _what: None, is_patient: bool = False
) -> Rehearsal:
    """What a night that begins at `night_at` would do with the data as they are; nothing of it stays.

    Raises NightIsAtWork, RecordsInUse, or AlreadyRunning where other work excludes a step's. Reads everything
    once, as a night does; on PostgreSQL ids are taken from sequences and never used. `is_patient`: others
    may be kept waiting for as long as it takes, as by a person's command.
    """
    if night_is_at_work():
        raise NightIsAtWork
    tell("Counting what it comes to")
    if (numbers := _too_much(night_at)) is not None:
        return numbers
    tell("Looking for stale values")
    repairs = _Repairs(golden=list(stale_golden()), sums=refs_with_wrong_sums())
    tell("Rehearsing the night")
    try:
        return _rehearse(repairs, night_at=night_at, deadline=_Deadline(is_patient=is_patient))
    except TakesTooLong:
        return _in_numbers(_dry_run(night_at), "Rehearsing it would keep records from others for too long.")
    except OperationalError as error:
        raise RecordsInUse from error


def _too_much(night_at: datetime) -> Rehearsal | None:
    """What is told in numbers alone; None where it can be rehearsed, as whatever happens in a small base."""
    if SystemRef.objects.count() <= MOST_CHANGES:
        return None
    dry = _dry_run(night_at)
    if dry.joined + dry.split > MOST_CHANGES:
        why = f"More than {MOST_CHANGES:,} System Refs would change, as on a first load or by a new model."
    elif connection.vendor == "sqlite" and dry.refs > MOST_REFS_EMBEDDED:
        why = f"More than {MOST_REFS_EMBEDDED:,} System Refs are compared: on SQLite nobody could write."
    else:
        return None
    return _in_numbers(dry, why)


def _dry_run(night_at: datetime) -> Regrouped:
    return regroup(now=night_at, dry_run=True)


def _in_numbers(dry: Regrouped, why: str) -> Rehearsal:
    numbers = {"joined": dry.joined, "split": dry.split, "refs": dry.refs, "contacts": dry.contacts}
    return Rehearsal(numbers=numbers, why_numbers=why)


def _rehearse(repairs: _Repairs, *, night_at: datetime, deadline: "_Deadline") -> Rehearsal:
    """Once as the night will be; and before, where something is held, once as it would be without that."""
    unheld = _Walk()
    try:
        with _taken_back():
            known = known_group_ids()
            if holds := _Holds.read():
                with _taken_back():
                    holds.lift()
                    unheld = _walk(repairs, night_at=night_at, deadline=deadline)
            walk = _walk(repairs, night_at=night_at, deadline=deadline)
    except BaseException:
        _free_locks()
        raise
    lines = with_new_numbers(walk.effects, known_up_to=known)
    held = with_new_numbers(
        [effect for effect in unheld.effects if holds.keep(effect) and effect not in walk.effects],
        known_up_to=known,
        first=count_new(lines) + 1,
    )
    return Rehearsal(lines, held, walk.brake)


def _walk(repairs: _Repairs, *, night_at: datetime, deadline: "_Deadline") -> _Walk:
    """The night's steps that write, in its order, as far as the brake lets them."""
    walk = _Walk()
    for step in NIGHT:
        if step.name in REHEARSED:
            try:
                walk.effects += REHEARSED[step.name](step, repairs, night_at, deadline.check)
            except HeldByBrake as held:
                walk.brake = held.run.held
                break
    return walk


def read_off(
    step: Step,
    now: datetime,
    progress: Progress,
    *,
    effects_since: Callable[[Marks], list[Effect]] = grouping_effects,
) -> list[Effect]:
    """Run the step, and read off what it did."""
    marks = Marks.set()
    step.run(now, progress)
    return effects_since(marks)


def _run_unread(step: Step, _repairs: _Repairs, now: datetime, progress: Progress) -> list[Effect]:
    """Freeze the model: it does nothing to anybody's records by itself."""
    step.run(now, progress)
    return []


def _run_grouping(step: Step, _repairs: _Repairs, now: datetime, progress: Progress) -> list[Effect]:
    return read_off(step, now, progress)


def _repair_golden(_step: Step, repairs: _Repairs, now: datetime, _progress: Progress) -> list[Effect]:
    # Whatever changes a Contact refreshes its golden values: only what was stale before can be.
    return repair_golden(repairs.golden, now=now)


def _repair_sums(_step: Step, repairs: _Repairs, now: datetime, _progress: Progress) -> list[Effect]:
    return repair_sums(repairs.sums, now=now)


def _run_primary_rules(step: Step, _repairs: _Repairs, now: datetime, progress: Progress) -> list[Effect]:
    return read_off(step, now, progress, effects_since=primary_effects)


# The steps that do something to records, by name; a test sees to it that no other step of the night does.
REHEARSED: Mapping[str, Callable[[Step, _Repairs, datetime, Progress], list[Effect]]] = {
    "Freeze the model": _run_unread,
    "Apply requests": _run_grouping,
    "Group System Refs": _run_grouping,
    "Refresh golden records": _repair_golden,
    "Recount purchases": _repair_sums,
    "Apply primary rules": _run_primary_rules,
}


@dataclass(frozen=True)
class _Holds:
    """What somebody keeps the night from."""

    requests: frozenset[int]
    refs: Mapping[str, frozenset[int]]

    @classmethod
    def read(cls) -> "_Holds":
        requests = GroupRequest.objects.filter(state=GroupRequest.State.HELD)
        refs: dict[str, set[int]] = {}
        for kind, ref_id in HeldRef.objects.values_list("kind", "system_ref_id"):
            refs.setdefault(kind, set()).add(ref_id)
        return cls(
            frozenset(requests.values_list("pk", flat=True)),
            {kind: frozenset(ref_ids) for kind, ref_ids in refs.items()},
        )

    def __bool__(self) -> bool:
        return bool(self.requests or self.refs)

    def lift(self) -> None:
        """Let all go, in a transaction that is taken back."""
        GroupRequest.objects.filter(pk__in=self.requests).update(state=GroupRequest.State.WAITING)
        HeldLine.objects.all().delete()

    def keep(self, effect: Effect) -> bool:
        """Whether this effect is one that a hold keeps from happening."""
        return effect.request_id in self.requests if effect.request_id else bool(self.over(effect))

    def over(self, effect: Effect) -> frozenset[int]:
        """The held refs that the effect would touch."""
        kind = hold_kind_of(effect.kind, makes_contact_alone=effect.makes_contact_alone)
        return self.refs.get(kind, frozenset()) & effect.ref_ids if kind else frozenset()


class _Deadline:
    """Ends a rehearsal that holds rows for too long.

    SQLite's lock is held from the beginning, PostgreSQL's from the first row that is written.
    """

    def __init__(self, *, is_patient: bool) -> None:
        self._is_embedded = connection.vendor == "sqlite"
        most = MOST_SECONDS_EMBEDDED if self._is_embedded else MOST_SECONDS
        self._most = math.inf if is_patient else most
        self._since = time.monotonic() if self._is_embedded else None

    def check(self, _done: int, _total: int) -> None:
        """Progress of a step. Raises TakesTooLong."""
        self._since = self._since or time.monotonic()
        if time.monotonic() - self._since > self._most:
            raise TakesTooLong


@contextmanager
def _taken_back() -> Iterator[None]:
    """A transaction, or a part of one, that is taken back at its end."""
    try:
        with transaction.atomic():
            if connection.vendor == "postgresql":
                with connection.cursor() as cursor:
                    cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
            yield
            raise _TakenBack
    except _TakenBack:
        return


def _free_locks() -> None:
    """After an error inside a transaction PostgreSQL obeys nothing until it ends, not even an unlock."""
    if connection.vendor == "postgresql" and not connection.needs_rollback:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock_all()")

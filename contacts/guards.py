"""Guards: what every row from outside must pass before it is written, and what follows once it is.

An app above registers its guards in a file `arrivals.py`, which is found as Django finds `admin.py`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from contacts.models import TicketSystem
from contacts.models.history import Origin


class Incoming(Protocol):
    """A row from outside: a System Ref's details or a purchase. More is known of it by its own type."""

    @property
    def line(self) -> int: ...

    @property
    def system_ref(self) -> str: ...


@dataclass(frozen=True)
class Verdict:
    """Why a row does not go in; `is_held` when it waits for someone instead of being wrong."""

    reason: str
    is_held: bool = False
    column: str = ""


class Guard(Protocol):
    """Asked once per chunk of rows, inside the transaction that writes them."""

    def before(
        self, rows: Sequence[Incoming], *, system: TicketSystem, way_in: Origin
    ) -> Mapping[int, Verdict]:
        """The rows that may not go in, by their index in `rows`. Also asked when a file is only checked."""

    def after(self, ref_ids: Sequence[int], *, system: TicketSystem, way_in: Origin, now: datetime) -> None:
        """Act on the System Refs that were written; must be safe to run twice."""


class PatientGuard(Guard, Protocol):
    """A guard that need not see a row again while its System Ref is still as the row left it.

    Any other guard is shown every row of every file, which costs the import its speed.
    """

    def concerned(self, ref_ids: Collection[int], *, system: TicketSystem, way_in: Origin) -> Collection[int]:
        """Of these System Refs, those against whose stored values `before` might object by now.

        All that the row says is stored there, unless it is blank. Rows of the others are left alone; rows of
        these are read and shown to `before`. Asked once per block of rows.
        """


_guards: list[Guard] = []


def register(guard: Guard) -> Guard:
    """Let the guard see every row from outside, after those registered before it."""
    _guards.append(guard)
    return guard


def unregister(guard: Guard) -> None:
    """Take a guard away again."""
    _guards.remove(guard)


def verdicts(rows: Sequence[Incoming], *, system: TicketSystem, way_in: Origin) -> dict[int, Verdict]:
    """What all guards say against these rows, by index; the first guard that objects is the one heard."""
    against: dict[int, Verdict] = {}
    for guard in _guards:
        against = {**guard.before(rows, system=system, way_in=way_in), **against}
    return against


def ask_about_known() -> bool:
    """Whether any guard is to be asked about rows that say nothing new."""
    return bool(_guards)


def concerned(ref_ids: Collection[int], *, system: TicketSystem, way_in: Origin) -> Collection[int]:
    """Of these System Refs, whose rows say nothing new, those whose rows a guard wants to see anyway."""
    wanted: set[int] = set()
    for guard in _guards:
        ask = getattr(guard, "concerned", None)
        if ask is None:
            return ref_ids
        wanted.update(ask(ref_ids, system=system, way_in=way_in))
    return wanted


def tell_written(ref_ids: Sequence[int], *, system: TicketSystem, way_in: Origin, now: datetime) -> None:
    """Let every guard act on the System Refs that were just written."""
    for guard in _guards:
        guard.after(ref_ids, system=system, way_in=way_in, now=now)

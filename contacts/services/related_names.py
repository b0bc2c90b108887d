"""The related names that come in from outside, and what is searched of them on their System Refs."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from django.contrib.auth.models import User
from django.db import transaction

from contacts import guards
from contacts.bulk import insert_rows, reserve_ids, update_rows
from contacts.cleaning import Refusal
from contacts.models import Job, RelatedName, RelatedNamePrint, SystemRef, TicketSystem
from contacts.models.any_of import AnyOf
from contacts.models.history import Origin
from contacts.models.system_ref import PHONE_PUNCTUATION
from contacts.services.arrivals import Admitted, chunks_of, take_turns
from contacts.services.row_prints import keep_prints


class NameLine(NamedTuple):
    """What one system says of one related name, cleaned; a blank says nothing."""

    line: int
    system_ref: str
    name_id: str
    role: str = ""
    title: str = ""
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    phone: str = ""
    mobile: str = ""
    date_of_birth: date | None = None
    updated_at: datetime | None = None


Key = tuple[str, str]  # system_ref, name_id

_VALUES = NameLine._fields[3:]
_UPDATED_AT = NameLine._fields.index("updated_at")
_FIRST_VALUE = 3
_NO_PRINTS: Mapping[int, str] = MappingProxyType({})
_SEARCHED = ("first_name", "last_name", "email", "phone", "mobile")
_NO_PUNCTUATION = str.maketrans("", "", "".join(PHONE_PUNCTUATION))


@dataclass
class _Plan:
    """What one chunk comes to. States are shaped like a NameLine, with the name's id for the line."""

    states: dict[Key, tuple[Any, ...]]
    ref_ids: Mapping[str, int]
    blanking: frozenset[int]
    rows: dict[Key, NameLine] = field(default_factory=dict)  # folded
    new: list[Key] = field(default_factory=list)
    changed: list[Key] = field(default_factory=list)
    result: Admitted = field(default_factory=Admitted)

    @property
    def touched_refs(self) -> list[int]:
        """The System Refs whose names are other than before, rising."""
        return sorted({self.ref_ids[system_ref] for system_ref, _name_id in (*self.new, *self.changed)})


def admit_related_names(
    rows: Iterable[NameLine],
    *,
    system: TicketSystem,
    way_in: Origin,
    now: datetime,
    actor: User | None = None,
    job: Job | None = None,
    prints: Mapping[int, str] = _NO_PRINTS,
    blanking: Collection[str] = (),
) -> Admitted:
    """Write the related names of a system's accounts, past the same guards as its System Refs.

    A name is known by its `name_id` on its System Ref; a row whose System Ref is not known is rejected. What
    overwrites what, atomicity, idempotence, two callers, `prints` and `blanking` are as in `arrivals.admit`.
    `actor` and `job` are taken for likeness with it: related names keep no history, lead no golden value
    and are no news for the CRMs.
    """
    total = Admitted()
    for chunk in chunks_of(rows):
        total.add(
            _admit_chunk(chunk, system=system, way_in=way_in, now=now, prints=prints, blanking=blanking)
        )
    return total


def assess_related_names(
    rows: Iterable[NameLine], *, system: TicketSystem, way_in: Origin, blanking: Collection[str] = ()
) -> Admitted:
    """What `admit_related_names` would come to, writing nothing."""
    total = Admitted()
    for chunk in chunks_of(rows):
        total.add(_plan(chunk, system=system, way_in=way_in, blanking=blanking).result)
    return total


@transaction.atomic
def _admit_chunk(
    chunk: Sequence[NameLine],
    *,
    system: TicketSystem,
    way_in: Origin,
    now: datetime,
    prints: Mapping[int, str],
    blanking: Collection[str],
) -> Admitted:
    take_turns(system)
    plan = _plan(chunk, system=system, way_in=way_in, blanking=blanking)
    new_ids = dict(zip(plan.new, reserve_ids(RelatedName, len(plan.new)), strict=True))
    if touched := plan.touched_refs:
        insert_rows(
            RelatedName,
            ("id", "system_ref", "name_id", *_VALUES),
            ((pk, plan.ref_ids[key[0]], *plan.states[key][2:]) for key, pk in new_ids.items()),
        )
        changed = [plan.states[key] for key in plan.changed]
        update_rows(RelatedName, _VALUES, [(*state[_FIRST_VALUE:], state[0]) for state in changed])
        refresh_related_text(touched)
        guards.tell_written(touched, system=system, way_in=way_in, now=now)
    _keep_prints(plan, new_ids, prints)
    return plan.result


def refresh_related_text(ref_ids: Collection[int]) -> None:
    """Let these System Refs be found by the names on them; writes only those that differ.

    Call it in the transaction that wrote the names, with a few thousand at most.
    """
    names = RelatedName.objects.filter(system_ref__in=ref_ids).order_by("system_ref", "pk")
    texts: dict[int, list[str]] = {}
    for ref_id, *values, phone, mobile in names.values_list("system_ref", *_SEARCHED):
        numbers = (number.translate(_NO_PUNCTUATION) for number in (phone, mobile))
        texts.setdefault(ref_id, []).extend(filter(None, (*values, *numbers)))
    refs = SystemRef.objects.filter(pk__in=ref_ids).order_by("pk").select_for_update(no_key=True)
    update_rows(
        SystemRef,
        ("related_text",),
        [
            (text, ref_id)
            for ref_id, known in refs.values_list("pk", "related_text")
            if (text := " ".join(texts.get(ref_id, ()))) != known
        ],
    )


def _plan(
    chunk: Sequence[NameLine], *, system: TicketSystem, way_in: Origin, blanking: Collection[str]
) -> _Plan:
    """Hold what the rows say against the names that stand, which are replaced as they change."""
    refs = SystemRef.objects.filter(AnyOf("system_ref", {row.system_ref for row in chunk}), system=system)
    ref_ids = dict(refs.values_list("system_ref", "pk"))
    known = RelatedName.objects.filter(
        system_ref__in=ref_ids.values(), name_id__in={row.name_id for row in chunk}
    ).values_list("pk", "system_ref__system_ref", "name_id", *_VALUES)
    plan = _Plan({(state[1], state[2]): state for state in known}, ref_ids, _may_blank(system, blanking))
    _fold(plan, chunk, system=system, way_in=way_in)
    for key, row in plan.rows.items():
        state = plan.states.get(key)
        if state is None:
            plan.states[key] = (None, *row[1:])
            plan.new.append(key)
            plan.result.created += 1
        elif (merged := _merged(state, row, plan.blanking)) == state:
            plan.result.unchanged += 1
        else:
            plan.states[key] = merged
            plan.changed.append(key)
            plan.result.changed += 1
    return plan


def _may_blank(system: TicketSystem, blanking: Collection[str]) -> frozenset[int]:
    """The places of the values that a blank overwrites, as the system is configured."""
    if not system.blanks_overwrite:
        return frozenset()
    return frozenset(
        NameLine._fields.index(name) for name in blanking if name in _VALUES and name != "updated_at"
    )


def _fold(plan: _Plan, chunk: Sequence[NameLine], *, system: TicketSystem, way_in: Origin) -> None:
    """What the chunk says of each name in the end; rows that a later one completes count as unchanged."""
    against = guards.verdicts(chunk, system=system, way_in=way_in)
    for index, row in enumerate(chunk):
        key = (row.system_ref, row.name_id)
        if index in against:
            verdict = against[index]
            value = str(getattr(row, verdict.column, "")) if verdict.column else row.system_ref
            plan.result.refuse(Refusal(row.line, verdict.column, value, verdict.reason, verdict.is_held))
        elif row.system_ref not in plan.ref_ids:
            reason = f"{system.code} has no such System Ref; bring System Refs in first."
            plan.result.refuse(Refusal(row.line, "system_ref", row.system_ref, reason))
        elif (earlier := plan.rows.get(key)) is None:
            plan.rows[key] = row
        else:  # of several rows, so that it has no line of its own
            plan.rows[key] = NameLine._make((0, *_merged(earlier, row, plan.blanking)[1:]))
            plan.result.unchanged += 1


def _merged(state: tuple[Any, ...], row: NameLine, blanking: frozenset[int]) -> tuple[Any, ...]:
    """The state after the row, by the rule of the System Refs (DECISIONS 18)."""
    known_at = state[_UPDATED_AT]
    if known_at is not None and (row.updated_at is None or row.updated_at < known_at):
        return state
    return _filled(state, row, blanking)


def _filled(state: tuple[Any, ...], row: NameLine, blanking: frozenset[int]) -> tuple[Any, ...]:
    return (
        state[0],
        *(
            state[place] if row[place] in ("", None) and place not in blanking else row[place]
            for place in range(1, len(row))
        ),
    )


def _keep_prints(plan: _Plan, new_ids: Mapping[Key, int], prints: Mapping[int, str]) -> None:
    """Of the rows whose name is now what they say."""
    kept = {
        new_ids.get(key) or plan.states[key][0]: print
        for key, row in plan.rows.items()
        if (print := prints.get(row.line))
        and _filled(plan.states[key], row, plan.blanking)[1:] == plan.states[key][1:]
    }
    keep_prints(RelatedNamePrint, kept, standing=kept.keys() - new_ids.values())

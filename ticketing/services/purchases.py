"""Purchases that come in from outside, and the sums that System Refs keep of them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Max, Q, Sum, Value
from django.db.models.functions import Coalesce

from contacts import guards
from contacts.bulk import insert_rows, reserve_ids, update_rows
from contacts.cleaning import Refusal
from contacts.models import Job, Organisation, SystemRef, TicketSystem
from contacts.models import Mapping as Placement
from contacts.models.any_of import AnyOf
from contacts.models.history import Origin
from contacts.services.arrivals import Admitted, chunks_of, take_turns
from contacts.services.changes import record_changes
from contacts.services.row_prints import keep_prints
from ticketing.models import Purchase, PurchasePrint
from ticketing.models.purchase import COUNTED


class BoughtLine(NamedTuple):
    """One line of an order as its system tells it; a blank says nothing and takes the usual value."""

    line: int
    system_ref: str
    purchase_id: str
    event: str = ""
    event_on: date | None = None
    purchased_at: datetime | None = None
    kind: str = ""
    seats: int | None = None
    amount: Decimal | None = None
    currency: str = ""
    status: str = ""


_VALUES = ("event", "event_on", "purchased_at", "kind", "seats", "amount", "currency", "status")
_STORED = ("system_ref_id", "purchase_id", *_VALUES)
_WRITTEN = ("system_ref", "purchase_id", *_VALUES)
_NO_PRINTS: Mapping[int, str] = MappingProxyType({})
_SUMS = ("spent_total", "last_purchased_at", "holds_season_ticket")


@dataclass
class _Plan:
    """What one chunk comes to. A state is (id or None, system_ref id, purchase_id, values...)."""

    states: dict[str, tuple[Any, ...]]
    new: list[str] = field(default_factory=list)
    changed: dict[str, None] = field(default_factory=dict)
    touched_refs: set[int] = field(default_factory=set)
    lines: dict[str, int] = field(default_factory=dict)  # of purchases that one line tells of
    result: Admitted = field(default_factory=Admitted)


def admit_purchases(
    rows: Iterable[BoughtLine],
    *,
    system: TicketSystem,
    now: datetime,
    way_in: Origin = Origin.IMPORT,
    actor: User | None = None,
    job: Job | None = None,
    prints: Mapping[int, str] = _NO_PRINTS,
    blanking: Collection[str] = (),
) -> Admitted:
    """Write a system's purchases, past the same guards as its System Refs; returns counts and refusals.

    A line is known by its `purchase_id` within the system. New values replace known ones, blanks do not; a
    new line without kind, seats, status or currency is one paid single ticket in the organisation's currency.
    A row whose System Ref is not known is rejected. The sums on the touched System Refs follow in the same
    transaction (see `refresh_sums`). Atomic per chunk, idempotent, and safe under two callers as
    `arrivals.admit` is; `prints` are kept as there. `actor`, `job` and `blanking` are taken for likeness with
    it: purchases keep no history, and no blank takes a value of theirs away.
    """
    total = Admitted()
    for chunk in chunks_of(rows):
        total.add(_admit_chunk(chunk, system=system, way_in=way_in, now=now, prints=prints))
    return total


def assess_purchases(
    rows: Iterable[BoughtLine], *, system: TicketSystem, way_in: Origin, blanking: Collection[str] = ()
) -> Admitted:
    """What `admit_purchases` would come to, writing nothing."""
    total = Admitted()
    for chunk in chunks_of(rows):
        total.add(_plan(chunk, system=system, way_in=way_in).result)
    return total


@transaction.atomic
def _admit_chunk(
    chunk: Sequence[BoughtLine],
    *,
    system: TicketSystem,
    way_in: Origin,
    now: datetime,
    prints: Mapping[int, str],
) -> Admitted:
    take_turns(system)
    plan = _plan(chunk, system=system, way_in=way_in)
    new_ids = dict(zip(plan.new, reserve_ids(Purchase, len(plan.new)), strict=True))
    if plan.touched_refs:
        insert_rows(
            Purchase,
            ("id", "system", *_WRITTEN),
            ((pk, system.pk, *plan.states[key][1:]) for key, pk in new_ids.items()),
        )
        changed = [plan.states[key] for key in plan.changed]
        update_rows(Purchase, _WRITTEN, ((*values, pk) for pk, *values in changed))
        refresh_sums(plan.touched_refs, now=now)
        guards.tell_written(sorted(plan.touched_refs), system=system, way_in=way_in, now=now)
    kept = {
        new_ids.get(key) or plan.states[key][0]: print
        for key, line in plan.lines.items()
        if (print := prints.get(line))
    }
    keep_prints(PurchasePrint, kept, standing=kept.keys() - new_ids.values())
    return plan.result


def _plan(chunk: Sequence[BoughtLine], *, system: TicketSystem, way_in: Origin) -> _Plan:
    """Hold what the lines say against what stands.

    A purchase that stands twice is folded first, else every import of the same file would change it to and
    fro; the lines that a later one completes count as unchanged.
    """
    against = guards.verdicts(chunk, system=system, way_in=way_in)
    refs = SystemRef.objects.filter(AnyOf("system_ref", {row.system_ref for row in chunk}), system=system)
    ref_ids = dict(refs.values_list("system_ref", "pk"))
    known = Purchase.objects.filter(AnyOf("purchase_id", {row.purchase_id for row in chunk}), system=system)
    plan = _Plan({state[2]: state for state in known.values_list("pk", *_STORED)})
    currency = Organisation.load().currency
    folded: dict[str, BoughtLine] = {}
    repeated: set[str] = set()
    for index, row in enumerate(chunk):
        if index in against:
            verdict = against[index]
            plan.result.refuse(
                Refusal(row.line, verdict.column, row.system_ref, verdict.reason, verdict.is_held)
            )
        elif row.system_ref not in ref_ids:
            reason = f"{system.code} has no such System Ref; bring System Refs in first."
            plan.result.refuse(Refusal(row.line, "system_ref", row.system_ref, reason))
        elif (earlier := folded.get(row.purchase_id)) is None:
            folded[row.purchase_id] = row
        else:
            both = zip(earlier, row, strict=True)
            folded[row.purchase_id] = BoughtLine._make(old if new in ("", None) else new for old, new in both)
            repeated.add(row.purchase_id)
            plan.result.unchanged += 1
    for row in folded.values():
        _take(plan, row, ref_id=ref_ids[row.system_ref], currency=currency)
    plan.lines = {key: row.line for key, row in folded.items() if key not in repeated}
    return plan


def _take(plan: _Plan, row: BoughtLine, *, ref_id: int, currency: str) -> None:
    state = plan.states.get(row.purchase_id)
    if state is None:
        usual = (Purchase.Kind.SINGLE.value, 1, Decimal(0), currency, Purchase.Status.PAID.value)
        filled = (
            given if given not in ("", None) else blank for given, blank in zip(row[6:], usual, strict=True)
        )
        plan.states[row.purchase_id] = (None, ref_id, *row[2:6], *filled)
        plan.new.append(row.purchase_id)
        plan.touched_refs.add(ref_id)
        plan.result.created += 1
        return
    given = (ref_id, *row[2:])
    merged = (
        state[0],
        *(old if new is None or new == "" else new for old, new in zip(state[1:], given, strict=True)),
    )
    if merged == state:
        plan.result.unchanged += 1
        return
    plan.states[row.purchase_id] = merged
    plan.result.changed += 1
    plan.touched_refs |= {state[1], ref_id}
    if state[0] is not None:
        plan.changed[row.purchase_id] = None


def refresh_sums(ref_ids: Collection[int], *, now: datetime) -> None:
    """Make what these System Refs keep of their purchases true again; writes only those that differ.

    spent_total is paid less refunded, in the organisation's currency; other currencies are never converted
    (DECISIONS 20). A paid line counts its amount. A refunded line was paid once and paid back: it comes to
    nothing, unless the system tells a refund as a line of its own with a negative amount, which is
    subtracted. Reserved and cancelled lines do not count. last_purchased_at is the latest paid line's moment;
    a season ticket is held while a paid season line stands. Their Contacts are noted for the CRMs. Call it
    in the transaction that changed the purchases. No golden value hangs on these sums (survivorship.py).
    """
    paid = Q(status=Purchase.Status.PAID)
    counted = COUNTED & Q(currency=Organisation.load().currency)
    found = (
        Purchase.objects.filter(system_ref__in=ref_ids)
        .values_list("system_ref")
        .annotate(
            spent=Coalesce(Sum("amount", filter=counted), Value(Decimal(0))),
            latest=Max("purchased_at", filter=paid),
            season=Max("pk", filter=paid & Q(kind=Purchase.Kind.SEASON)),
        )
    )
    sums = {ref_id: (spent, latest, season is not None) for ref_id, spent, latest, season in found}
    stands = SystemRef.objects.filter(pk__in=ref_ids).order_by("pk").select_for_update(no_key=True)
    nothing = (Decimal(0), None, False)
    differing = [
        (*sums.get(ref_id, nothing), ref_id)
        for ref_id, *kept in stands.values_list("pk", *_SUMS)
        if tuple(kept) != sums.get(ref_id, nothing)
    ]
    update_rows(SystemRef, _SUMS, differing)
    contact_ids = Placement.objects.filter(system_ref__in=[row[-1] for row in differing])
    record_changes(sorted(set(contact_ids.values_list("contact", flat=True))), now=now)

"""Which System Ref's value wins each golden field: one table, and the function that reads it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

ADDRESS = "address"
ADDRESS_FIELDS = ("address1", "address2", "city", "postcode", "country")


@dataclass(frozen=True)
class RefValues:
    """One System Ref as survivorship sees it. `values` maps each detail field to its value, blank as ''."""

    ref_id: int
    is_primary: bool
    system_rank: int
    arrived_at: datetime
    created_at: datetime | None
    updated_at: datetime | None
    system_ref: str
    last_purchased_at: datetime | None
    spent_total: float
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Golden:
    """A golden value and the System Ref that supplies it."""

    value: Any
    ref_id: int


Tiebreaker = Callable[[RefValues], Any]  # the lower key wins


def _newest(moment: datetime | date | None) -> float:
    return -moment.timestamp() if isinstance(moment, datetime) else float("inf")


def primary_first(ref: RefValues) -> bool:
    return not ref.is_primary


def data_set_order(ref: RefValues) -> int:
    return ref.system_rank


def most_recently_updated(ref: RefValues) -> float:
    return _newest(ref.updated_at)


def most_recently_created(ref: RefValues) -> float:
    return _newest(ref.created_at)


def latest_purchase(ref: RefValues) -> float:
    return _newest(ref.last_purchased_at)


def most_spent(ref: RefValues) -> float:
    return -ref.spent_total


# The same tiebreakers over a table: which fact of RefValues each looks at, and which end of it comes first.
ORDERS: Mapping[Tiebreaker, tuple[str, str]] = {
    primary_first: ("is_primary", "desc"),
    data_set_order: ("system_rank", "asc"),
    most_recently_updated: ("updated_at", "desc nulls last"),
    most_recently_created: ("created_at", "desc nulls last"),
    latest_purchase: ("last_purchased_at", "desc nulls last"),
    most_spent: ("spent_total", "desc"),
}

_DEFAULT: Sequence[Tiebreaker] = (primary_first, most_recently_updated)

# Read top to bottom: for each golden field, what decides among the refs that hold a value. The address is
# one block and never mixed from two refs (DECISIONS 8). A last tiebreak by id keeps every choice the same.
TIEBREAKERS: Mapping[str, Sequence[Tiebreaker]] = {
    "title": _DEFAULT,
    "first_name": _DEFAULT,
    "last_name": _DEFAULT,
    "email": _DEFAULT,
    "phone": _DEFAULT,
    "mobile": _DEFAULT,
    "company": _DEFAULT,
    ADDRESS: _DEFAULT,
    "date_of_birth": _DEFAULT,
    "language": _DEFAULT,
    "external_customer_id": _DEFAULT,
}


def golden_values(refs: Sequence[RefValues], pins: Mapping[str, int]) -> dict[str, Golden]:
    """For each detail field that any ref fills: its golden value and where that comes from.

    `pins` maps a key of TIEBREAKERS to a ref id; a pin goes first while its ref is given and holds a value.
    Given only the refs that a user may see, the result is what that user is shown (R-MDB-33); primary is
    then the one that leads among those.
    """
    if len(refs) == 1:
        ref = refs[0]
        return {field: Golden(value, ref.ref_id) for field, value in ref.values.items() if _filled(value)}
    golden: dict[str, Golden] = {}
    for key, tiebreakers in TIEBREAKERS.items():
        fields = ADDRESS_FIELDS if key == ADDRESS else (key,)
        holders = [ref for ref in refs if any(_filled(ref.values.get(field)) for field in fields)]
        if not holders:
            continue
        winner = _choose(holders, tiebreakers, pins.get(key))
        for field in fields:
            if _filled(value := winner.values.get(field)):
                golden[field] = Golden(value, winner.ref_id)
    return golden


def _filled(value: Any) -> bool:
    return value is not None and value != ""


def _choose(holders: Sequence[RefValues], tiebreakers: Sequence[Tiebreaker], pinned: int | None) -> RefValues:
    for ref in holders:
        if ref.ref_id == pinned:
            return ref
    return min(holders, key=lambda ref: (*(rank(ref) for rank in tiebreakers), ref.ref_id))

"""Reads what a grouping run needs, as Arrow tables: refs, the mapping as it stands, decisions, exclusions."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from contacts.columnar import among, moment, read_table
from contacts.group_plan import ORDER_SCHEMA, STANDING_SCHEMA
from contacts.grouping.records import REF_SCHEMA, Decisions
from contacts.models import GroupDecision, Organisation, TicketSystem
from contacts.models.mapping import PrimaryBy

_SCHEMA = pa.unify_schemas([REF_SCHEMA, ORDER_SCHEMA])
_COLUMNS = {
    "ref_id": "ref.id",
    "arrived": moment("ref.arrived_at"),
    "created": moment("ref.created_at"),
    "rank": "system.rank",
}


@dataclass(frozen=True)
class GroupingInput:
    """`refs`: REF_SCHEMA and the columns of ORDER_SCHEMA; `standing`: where each placed ref stands."""

    standing: pa.Table
    refs: pa.Table
    decisions: Decisions
    excluded_systems: frozenset[int]
    default_country: str


def read_input() -> GroupingInput:
    """Everything as it stands now. A few seconds for a million refs.

    The mapping is read before the refs: what is placed in between looks unplaced, is found so when it is to
    be written, and waits for the next run.
    """
    return GroupingInput(
        standing=read_standing(),
        refs=read_refs(),
        decisions=standing_decisions(),
        excluded_systems=excluded_systems(),
        default_country=Organisation.load().default_country,
    )


def read_standing(ref_ids: Collection[int] | None = None) -> pa.Table:
    """STANDING_SCHEMA of these refs that are placed, or of all."""
    condition, params = only("system_ref_id", ref_ids)
    return read_table(
        f"SELECT system_ref_id, contact_id, is_primary, primary_by = %s FROM contacts_mapping{condition}",
        STANDING_SCHEMA,
        [PrimaryBy.HAND.value, *params],
    )


def read_refs(ref_ids: Collection[int] | None = None) -> pa.Table:
    """These System Refs, or all, with what the engine looks at and what orders refs."""
    columns = ", ".join(_COLUMNS.get(name, f"ref.{name}") for name in _SCHEMA.names)
    condition, params = only("ref.id", ref_ids)
    return read_table(
        f"SELECT {columns} FROM contacts_systemref ref"
        f" JOIN contacts_ticketsystem system ON system.id = ref.system_id{condition}",
        _SCHEMA,
        params,
    )


def standing_decisions() -> Decisions:
    """What people decided about pairs of refs and has not been lifted."""
    pairs: dict[str, list[tuple[int, int]]] = {kind: [] for kind in GroupDecision.Kind.values}
    rows = GroupDecision.objects.standing().order_by("pk").values_list("kind", "left_id", "right_id")
    for kind, left, right in rows:
        pairs[kind].append((left, right))
    return Decisions(must=pairs[GroupDecision.Kind.MUST], never=pairs[GroupDecision.Kind.NEVER])


def excluded_systems() -> frozenset[int]:
    """The systems whose refs join refs of their own system only."""
    return frozenset(TicketSystem.objects.filter(is_matched_across=False).values_list("pk", flat=True))


def only(column: str, ref_ids: Collection[int] | None) -> tuple[str, list[Any]]:
    """SQL to follow a FROM: the column is one of these refs; None: any."""
    if ref_ids is None:
        return "", []
    condition, params = among(column, ref_ids)
    return f" WHERE {condition}", params

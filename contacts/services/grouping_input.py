"""Reads what a grouping run needs, as Arrow tables: refs, the mapping as it stands, decisions, exclusions."""

from dataclasses import dataclass

import pyarrow as pa

from contacts.columnar import moment, read_table
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
    standing = read_table(
        "SELECT system_ref_id, contact_id, is_primary, primary_by = %s FROM contacts_mapping",
        STANDING_SCHEMA,
        [PrimaryBy.HAND.value],
    )
    return GroupingInput(
        standing=standing,
        refs=read_refs(),
        decisions=standing_decisions(),
        excluded_systems=frozenset(
            TicketSystem.objects.filter(is_matched_across=False).values_list("pk", flat=True)
        ),
        default_country=Organisation.load().default_country,
    )


def read_refs() -> pa.Table:
    """Every System Ref with what the engine looks at and what orders refs."""
    columns = ", ".join(_COLUMNS.get(name, f"ref.{name}") for name in _SCHEMA.names)
    return read_table(
        f"SELECT {columns} FROM contacts_systemref ref"
        " JOIN contacts_ticketsystem system ON system.id = ref.system_id",
        _SCHEMA,
    )


def standing_decisions() -> Decisions:
    """What people decided about pairs of refs and has not been lifted."""
    pairs: dict[str, list[tuple[int, int]]] = {kind: [] for kind in GroupDecision.Kind.values}
    rows = GroupDecision.objects.standing().order_by("pk").values_list("kind", "left_id", "right_id")
    for kind, left, right in rows:
        pairs[kind].append((left, right))
    return Decisions(must=pairs[GroupDecision.Kind.MUST], never=pairs[GroupDecision.Kind.NEVER])

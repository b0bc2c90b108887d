"""Ordered primary rules as one SQL question: which Contacts should another of their System Refs lead."""

from collections.abc import Sequence
from dataclasses import dataclass

from contacts.models import PrimaryRule

Kind = PrimaryRule.Kind
BY_STANDING = -1  # decided by no rule: the primary is gone at its source, and the other stands


@dataclass(frozen=True)
class GivenRule:
    """A rule as it is, or as somebody proposes it. `systems`: ids in order, for an order of systems alone."""

    kind: PrimaryRule.Kind
    systems: tuple[int, ...] = ()
    is_active: bool = True
    rule_id: int | None = None


def preferred(rules: Sequence[GivenRule], *, contacts: str = "") -> str:
    """SQL for the Contacts whose primary these rules would not choose, as rows of a subquery.

    Columns: contact_id, was_id (the primary), ref_id (which should lead), decided_by (the place of the
    deciding rule in `rules`, from 0, or BY_STANDING), is_by_hand (a person chose the primary: leave it).

    Before all rules a ref that stands is preferred to one that is gone at its source, and never the other way
    round; without rules that alone decides. Otherwise a ref is preferred only where a rule tells it from the
    present primary; the first that does decides. Of several that are preferred alike, the first found leads.
    So without a difference nothing switches, and asking again after the switch finds nothing. It begins with
    the refs that lead nothing, which are few: most Contacts have one ref. `contacts`: SQL that limits it to
    some of them, with `o.contact_id`.
    """
    clauses = [_STANDING, *(_clause(rule) for rule in rules)]
    is_better = "FALSE"
    for clause in reversed(clauses):
        is_better = f"({clause.better} OR ({clause.same} AND {is_better}))"
    decided = " ".join(
        f"WHEN {clause.better} THEN {place}" for place, clause in enumerate(clauses, start=BY_STANDING)
    )
    order = ", ".join(clause.order for clause in clauses)
    return f"""
SELECT contact_id, was_id, ref_id, decided_by, is_by_hand FROM (
    SELECT o.contact_id, p.system_ref_id AS was_id, o.system_ref_id AS ref_id,
        CASE {decided} END AS decided_by, p.primary_by = 'hand' AS is_by_hand,
        row_number() OVER (PARTITION BY o.contact_id ORDER BY {order}, other.arrived_at, source.rank,
            other.created_at ASC NULLS LAST, other.system_ref, other.id) AS place
    FROM contacts_mapping o
    JOIN contacts_mapping p ON p.contact_id = o.contact_id AND p.is_primary
    JOIN contacts_systemref other ON other.id = o.system_ref_id
    JOIN contacts_systemref mine ON mine.id = p.system_ref_id
    JOIN contacts_ticketsystem source ON source.id = other.system_id
    LEFT JOIN contacts_goneref other_gone ON other_gone.system_ref_id = other.id
    LEFT JOIN contacts_goneref mine_gone ON mine_gone.system_ref_id = mine.id
    WHERE NOT o.is_primary {contacts} AND {is_better}
) candidate WHERE place = 1"""


@dataclass(frozen=True)
class _Clause:
    """`better`: the other ref is preferred to the primary; `same`: the rule tells no difference."""

    better: str
    same: str
    order: str


_STANDING = _Clause(
    better="(other_gone.system_ref_id IS NULL AND mine_gone.system_ref_id IS NOT NULL)",
    same="(other_gone.system_ref_id IS NULL) = (mine_gone.system_ref_id IS NULL)",
    order="CASE WHEN other_gone.system_ref_id IS NULL THEN 0 ELSE 1 END",
)


def _clause(rule: GivenRule) -> _Clause:
    if rule.kind == Kind.SYSTEM_ORDER:
        other, mine = (_place("other", rule.systems), _place("mine", rule.systems))
        return _Clause(f"{other} < {mine}", f"{other} = {mine}", other)
    if rule.kind == Kind.LATEST_PURCHASE:
        other, mine = "other.last_purchased_at", "mine.last_purchased_at"
        return _Clause(
            better=f"({other} IS NOT NULL AND ({mine} IS NULL OR {other} > {mine}))",
            same=f"({other} = {mine} OR ({other} IS NULL AND {mine} IS NULL))",
            order=f"{other} DESC NULLS LAST",
        )
    if rule.kind == Kind.MOST_SPENT:
        other, mine = "other.spent_total", "mine.spent_total"
        return _Clause(f"{other} > {mine}", f"{other} = {mine}", f"{other} DESC")
    other, mine = "other.holds_season_ticket", "mine.holds_season_ticket"
    return _Clause(f"({other} AND NOT {mine})", f"{other} = {mine}", f"{other} DESC")


def _place(alias: str, systems: Sequence[int]) -> str:
    """The place of a ref's system in the order; all that are not named share the last."""
    if not systems:
        return "0"
    named = " ".join(f"WHEN {int(system)} THEN {place}" for place, system in enumerate(systems))
    return f"CASE {alias}.system_id {named} ELSE {len(systems)} END"

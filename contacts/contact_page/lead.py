"""Why the primary System Ref leads: found first, chosen by hand or by a rule; and who may choose another."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from contacts.contact_page.parts import Shown
from contacts.models import Move, PrimaryRule
from contacts.models.mapping import PrimaryBy
from contacts.permissions import SystemRight, holds
from contacts.primary_words import rule_in_words

_CAUSES = {
    PrimaryBy.HAND: Move.Cause.PRIMARY_BY_HAND,
    PrimaryBy.RULE: Move.Cause.PRIMARY_BY_RULE,
}


@dataclass(frozen=True)
class Lead:
    """Why the leader leads; `said` is blank where nothing is to be told. `by` and `at`: who chose, when."""

    said: str = ""
    by: str = ""
    at: datetime | None = None
    is_by_hand: bool = False


def lead(shown: Shown) -> Lead:
    """The reason over the visible refs: it never tells that there are others.

    Where the user sees one ref there was nothing to choose from. That no rule chose another is told to those
    who see every system, for it may have chosen a hidden one. A rule's choice is told to those who do not
    see every system only where the ref was not the first found of those they see that stand, and without the
    rule, which may name hidden systems. One query where somebody or a rule chose, else none.
    """
    leader = shown.leader
    cause = _CAUSES.get(PrimaryBy(leader.primary_by)) if leader.is_primary else None
    if len(shown.mappings) < 2:
        return Lead()
    is_by_hand = leader.primary_by == PrimaryBy.HAND
    if cause is None or (not is_by_hand and not shown.sees_every_system and leader == shown.first_standing):
        return Lead(_without_choice(shown))
    move = (
        Move.objects.filter(system_ref=leader.system_ref_id, cause=cause, is_primary=True)
        .select_related("by", "rule")
        .order_by("-pk")
        .first()
    )
    by = (move.by.get_full_name() or move.by.get_username()) if move and move.by else ""
    if is_by_hand:
        return Lead("chosen by hand", by, move.at if move else None, is_by_hand=True)
    rule = move.rule if move and shown.sees_every_system else None
    said = f"by rule “{_words(rule)}”" if rule else "by a rule"
    return Lead(said, at=move.at if move else None)


def choosable(shown: Shown) -> Sequence[int]:
    """The refs that the user may let lead by hand: those at their source, whose records they may change."""
    if len(shown.mappings) < 2 or not shown.user.has_perm("contacts.change_contact"):
        return []
    standing = [ref for ref in shown.refs.values() if ref.pk not in shown.gone]
    return [ref.pk for ref in standing if holds(shown.user, SystemRight.CHANGE, ref.system)]


def _without_choice(shown: Shown) -> str:
    """A choice by hand that was taken back leaves a leader that was not found first."""
    facts = ["found first"] if shown.leader == shown.first_found else []
    if shown.leader == shown.first_standing and shown.leader != shown.first_found:
        facts = ["found first of those still there"]
    if shown.sees_every_system:
        facts.append("no rule chose another")
    return ", ".join(facts)


def _words(rule: PrimaryRule) -> str:
    systems = rule.systems.select_related("system").order_by("position")
    return rule_in_words(rule.kind, [one.system.name for one in systems])

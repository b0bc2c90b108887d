"""Primary rules in words: what a rule says, and why it prefers one System Ref to another."""

from collections.abc import Mapping, Sequence

from contacts.models import PrimaryRule, SystemRef
from contacts.templatetags.kore import money

Kind = PrimaryRule.Kind


def rule_in_words(kind: str, systems: Sequence[str]) -> str:
    """The rule as people say it: "Major before Minor", "Latest purchase". `systems`: their names in order."""
    if kind != Kind.SYSTEM_ORDER or not systems:
        return str(Kind(kind).label)
    if len(systems) == 1:
        return f"{systems[0]} before all others"
    return " before ".join(systems)


def why_preferred(kind: str, systems: Sequence[str], *, was: SystemRef, now: SystemRef, currency: str) -> str:
    """Why the rule lets `now` lead rather than `was`, with the facts that it compared."""
    said = rule_in_words(kind, systems)
    if kind == Kind.LATEST_PURCHASE and now.last_purchased_at is not None:
        before = f"{was.last_purchased_at:%-d %b %Y}" if was.last_purchased_at else "never"
        return f"{said}: {now.last_purchased_at:%-d %b %Y}, before: {before}"
    if kind == Kind.MOST_SPENT:
        return f"{said}: {money(now.spent_total, currency)}, before: {money(was.spent_total, currency)}"
    return said


def names_in_order(ids: Sequence[int], names: Mapping[int, str]) -> list[str]:
    """The names of these systems; one that was deleted since is left out."""
    return [names[system] for system in ids if system in names]

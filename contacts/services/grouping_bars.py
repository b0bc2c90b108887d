"""What forbids grouping some Contacts by hand: do-not-group rules, and systems kept out of matching."""

from collections.abc import Collection
from dataclasses import dataclass

from django.utils.timezone import localtime

from contacts.models import GroupDecision, SystemRef
from contacts.services.decisions import standing_among


@dataclass(frozen=True)
class Bar:
    """One of them, as a sentence for the person at the screen; `decision`: the rule, if it is one."""

    sentence: str
    decision: GroupDecision | None = None


def bars_among(refs: Collection[SystemRef]) -> list[Bar]:
    """What forbids that these refs, their systems loaded, stand in one Contact. One query.

    Knows the refs that it is given and no others: what hidden ones are part of stays hidden.
    """
    systems = {ref.system for ref in refs}
    closed = sorted((s for s in systems if not s.is_matched_across), key=lambda s: (s.rank, s.code))
    found = [Bar(closed_in_words(closed[0].code))] if closed and len(systems) > 1 else []
    standing = sorted(standing_among([ref.pk for ref in refs]).items())
    never = [d for _pair, d in standing if d.kind == GroupDecision.Kind.NEVER and not d.is_for_one_run]
    return [*found, *(Bar(bar_in_words(decision), decision) for decision in never)]


def bar_in_words(decision: GroupDecision) -> str:
    """Who said when that two refs never belong together, and what has to be done first."""
    author = decision.author
    who = (author.get_full_name() or author.get_username()) if author else "Somebody"
    when = f"{localtime(decision.since):%-d %b %Y}"
    return (
        f"{who} said on {when} that {decision.left} and {decision.right} never belong together. "
        "Lift that do-not-group rule first."
    )


def closed_in_words(code: str) -> str:
    """That records of this system are not grouped with those of others."""
    return (
        f"{code} is kept out of matching across systems: its records are grouped with each other "
        "only. Its setting “matched across systems” says so."
    )

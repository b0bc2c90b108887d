"""A list of primary rules while somebody edits it: read from the page, moved about, shown again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from django.http import QueryDict

from contacts.models import PrimaryRule, TicketSystem
from contacts.primary_words import names_in_order, rule_in_words
from contacts.services.primary_order import GivenRule
from contacts.services.primary_rule_list import MOST_RULES

Kind = PrimaryRule.Kind
LEAST_PLACES = 3  # selects shown for an order of systems; one more than are filled


@dataclass(frozen=True)
class Line:
    """One rule as the editor shows it. `chosen`: per select the system's id, 0 where none is chosen yet."""

    place: int
    rule: GivenRule
    words: str
    chosen: Sequence[int]
    is_first: bool
    is_last: bool
    error: str = ""


def read_draft(post: QueryDict) -> list[GivenRule]:
    """The rules that the page's fields say; whatever is no rule is left out."""
    count = post.get("rules", "")
    places = range(min(int(count), MOST_RULES + 1) if count.isdecimal() and len(count) < 4 else 0)
    return [
        GivenRule(
            kind=Kind(post[f"kind-{place}"]),
            systems=tuple(
                int(value)
                for value in post.getlist(f"system-{place}")
                if value.isdecimal() and len(value) < 19 and int(value)
            ),
            is_active=f"active-{place}" in post,
        )
        for place in places
        if post.get(f"kind-{place}") in Kind.values
    ]


def carry_out(draft: Sequence[GivenRule], order: str) -> tuple[list[GivenRule], int]:
    """The list after one click (up-2, down-2, remove-2, add-most_spent), and the place to go on from."""
    rules = list(draft)
    verb, _, what = order.partition("-")
    if verb == "add" and what in Kind.values and len(rules) < MOST_RULES:
        return [*rules, GivenRule(Kind(what))], len(rules)
    if not what.isdecimal() or int(what) >= len(rules):
        return rules, 0
    place = int(what)
    if verb == "remove":
        del rules[place]
        return rules, min(place, max(len(rules) - 1, 0))
    to = place + {"up": -1, "down": 1}.get(verb, 0)
    if 0 <= to < len(rules):
        rules[place], rules[to] = rules[to], rules[place]
        return rules, to
    return rules, place


def lines(
    draft: Sequence[GivenRule], systems: Sequence[TicketSystem], *, wrong: tuple[int | None, str] = (None, "")
) -> list[Line]:
    """The draft for the editor; `wrong`: the place of a rule and what is wrong with it."""
    names = {system.pk: system.name for system in systems}
    return [
        Line(
            place=place,
            rule=rule,
            words=rule_in_words(rule.kind, names_in_order(rule.systems, names)),
            chosen=_selects(rule, len(systems)),
            is_first=place == 0,
            is_last=place == len(draft) - 1,
            error=wrong[1] if wrong[0] == place else "",
        )
        for place, rule in enumerate(draft)
    ]


def in_words(rules: Sequence[GivenRule], names: Mapping[int, str]) -> list[tuple[str, bool]]:
    """Each rule in words, and whether it is switched on."""
    return [(rule_in_words(rule.kind, names_in_order(rule.systems, names)), rule.is_active) for rule in rules]


def same(one: Sequence[GivenRule], other: Sequence[GivenRule]) -> bool:
    """Whether two lists say the same."""
    return [replace(rule, rule_id=None) for rule in one] == [replace(rule, rule_id=None) for rule in other]


def _selects(rule: GivenRule, systems: int) -> list[int]:
    if rule.kind != Kind.SYSTEM_ORDER:
        return []
    filled = list(rule.systems)
    room = min(max(LEAST_PLACES, len(filled) + 1), max(systems, 1))
    return filled + [0] * (room - len(filled))

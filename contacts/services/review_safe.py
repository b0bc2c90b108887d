"""The safe ones of the review: pairs close below the decision against which nothing speaks."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User

from contacts.grouping.comparisons import COMPARISONS, NAME_COMPARISONS
from contacts.grouping.rules import NEVER_REACHED
from contacts.models import Link, ModelVersion
from contacts.services.group_requests import may_group
from contacts.services.matching_rules import rules_of_links
from contacts.services.review import Place, beyond, queue_of
from contacts.services.review_pairs import Numbers, Pair, in_order, load_pairs

# How far below the thresholds, in bits: at a third of the odds that the engine asks for a housemate, and an
# eighth of those for a stranger.
WITHIN = 3.0
WITHIN_HOUSEHOLD = 1.5
AGAINST = -0.5  # what weighs less says nothing against a pair
SAYS_SOMETHING = 1.0
MOST_LOOKED_AT = 2_000
_ENDS = ("left__mapping__contact_id", "right__mapping__contact_id")


@dataclass(frozen=True)
class SafeOnes:
    """Some of the safe pairs, the strongest first, and where to go on; None at the end."""

    pairs: Sequence[Pair]
    after: Place | None


def safe_pairs(user: User, *, now: datetime, after: Place | None = None, count: int = 50) -> SafeOnes:
    """The next pairs that are close below both thresholds, and of which no value speaks against the other.

    The names alone are not enough, and a pair that a rule or a guard made is not among them: a person has to
    look at those one by one. A fixed number of queries; so many links are looked at as a page may take.
    """
    version = ModelVersion.objects.filter(is_active=True).first()
    if version is None or not may_group(user):
        return SafeOnes([], None)
    least, least_household = _thresholds(version)
    links = beyond(queue_of(user, now=now), after).filter(
        decision=Link.Decision.REVIEW,
        guard="",
        weight__gte=least - WITHIN,
        household__gte=least_household - WITHIN_HOUSEHOLD,
    )
    rows = list(links.values_list("pk", "weight", "evidence", *_ENDS)[: MOST_LOOKED_AT + 1])
    chosen: dict[Numbers, int] = {}
    last: Place | None = None
    for pk, weight, evidence, one, other in rows[:MOST_LOOKED_AT]:
        if len(chosen) == count:
            break
        last = (weight, pk)
        if nothing_speaks_against(evidence):
            chosen.setdefault(in_order(one, other), pk)
    pairs = load_pairs(list(chosen), user, shown=chosen)
    is_over = len(chosen) < count and len(rows) <= MOST_LOOKED_AT
    return SafeOnes([pair for pair in pairs.values() if _is_safe(pair)], None if is_over else last)


def _is_safe(pair: Pair) -> bool:
    """Whether the strongest link between the two is the safe one: a weaker one tells only a part."""
    return not pair.bars and pair.strongest == pair.link


def nothing_speaks_against(given: str) -> bool:
    """Whether no comparison of a link weighs against the pair, and one besides the names for it."""
    evidence = json.loads(given or "[]")
    weights = {
        comparison.key: (float(stranger), float(household))
        for comparison, (_level, stranger, household) in zip(COMPARISONS, evidence, strict=False)
    }
    against = any(min(both) < AGAINST for both in weights.values())
    beyond_names = (weight for key, (weight, _) in weights.items() if key not in NAME_COMPARISONS)
    return not against and any(weight >= SAYS_SOMETHING for weight in beyond_names)


def _thresholds(version: ModelVersion) -> tuple[float, float]:
    """Versus a stranger and versus a housemate, as the links that stand were decided with."""
    rules, settings = rules_of_links(), version.settings
    weight, household = rules.join_weight, rules.join_household
    if weight is None or weight == NEVER_REACHED:
        weight = float(settings["join_weight"])
    return weight, float(settings["join_household"]) if household is None else household

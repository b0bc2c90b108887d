"""What can be a set of matching rules: each part is looked at by itself, so that a form can say where."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from contacts.grouping.candidates import KEY_KINDS
from contacts.grouping.keys import SLOTS
from contacts.grouping.model import Model
from contacts.grouping.rule_words import from_json
from contacts.grouping.rules import FIELDS, MUST, NAME, Comparator, UnusableRule, has_alike, key_kinds
from contacts.services.grouping_model import active_version

# The thresholds of the score as the model names them, and what people call them.
THRESHOLDS: Mapping[str, str] = {
    "join_weight": "joined from, versus a stranger,",
    "join_household": "joined from, versus a housemate,",
    "review_weight": "reviewed from, versus a stranger,",
    "review_household": "reviewed from, versus a housemate,",
}
MOST_RULES = 20
LONGEST_TITLE = 60
# Below, Jaro-Winkler calls any two short words alike; 1 is the same.
LEAST_ALIKE = 0.5
# A weight of 40 bits is once in a million million: more is a slip of the hand.
MOST_BITS = 40.0


@dataclass(frozen=True)
class Problem:
    """One part that cannot be used: the rule by its place, the criterion by its place in that, the field."""

    message: str
    rule: int | None = None
    criterion: int | None = None
    field: str = ""


def problems(rules: Sequence[Mapping[str, Any]], score: Mapping[str, Any]) -> list[Problem]:
    """Why these rules cannot be saved; empty where they can. `rules` and `score` as they are kept."""
    found = [*_set_problems(rules, score), *_score_problems(score)]
    titles = Counter(_plain(rule) for rule in rules)
    names = Counter(rule.get("name") for rule in rules if rule.get("name"))
    for place, rule in enumerate(rules):
        if titles[_plain(rule)] > 1 and _plain(rule):
            found.append(Problem("Another rule has this name too.", place, field="title"))
        if (name := rule.get("name")) and (names[name] > 1 or not NAME.fullmatch(name) or name == MUST):
            found.append(Problem("This rule cannot be told from another one.", place, field="title"))
        found += _rule_problems(place, rule)
    return found


def model_thresholds() -> dict[str, float]:
    """The thresholds of the model in force, which serve where the rules name none."""
    standing = active_version()
    preset = Model.preset(0)
    kept = standing.settings if standing else {}
    return {name: kept.get(name, getattr(preset, name)) for name in THRESHOLDS}


def _plain(rule: Mapping[str, Any]) -> str:
    return " ".join(rule["title"].split()).casefold()


def _set_problems(rules: Sequence[Mapping[str, Any]], score: Mapping[str, Any]) -> Iterator[Problem]:
    if len(rules) > MOST_RULES:
        yield Problem(f"There are {len(rules)} rules; at most {MOST_RULES} are kept.")
    if (kinds := _key_kinds(rules)) > SLOTS:
        yield Problem(
            f"Together the rules need {kinds} kinds of search key; {SLOTS} can be kept. Let rules ask for the"
            " same fields, or switch some off."
        )
    if not score["is_active"] and not any(rule["is_active"] for rule in rules):
        yield Problem("Every rule and the score are off: nothing would be matched. Switch one of them on.")


def _key_kinds(rules: Sequence[Mapping[str, Any]]) -> int:
    """How many kinds of key the engine would need; of rules that cannot be read yet, none."""
    usable = []
    for number, rule in enumerate(rules):
        with suppress(UnusableRule, ValueError):
            usable.append(from_json({**rule, "name": f"rule_{number}", "sentence": ""}))
    return len([*KEY_KINDS, *key_kinds(usable)])


def _rule_problems(place: int, rule: Mapping[str, Any]) -> Iterator[Problem]:
    title = " ".join(rule["title"].split())
    if not title:
        yield Problem("Give the rule a name.", place, field="title")
    if len(title) > LONGEST_TITLE:
        yield Problem(f"At most {LONGEST_TITLE} characters.", place, field="title")
    criteria = rule["criteria"]
    if not criteria:
        yield Problem("A rule needs a criterion.", place)
    elif all(criterion["blank_is_no_objection"] for criterion in criteria):
        yield Problem("Blanks alone would satisfy this rule: one criterion has to ask for a value.", place)
    seen: set[str] = set()
    for number, criterion in enumerate(criteria):
        yield from _criterion_problems(place, number, criterion, seen)
        seen.add(criterion["field"])


def _criterion_problems(
    place: int, number: int, criterion: Mapping[str, Any], seen: set[str]
) -> Iterator[Problem]:
    field, comparator = criterion["field"], criterion["comparator"]
    if field not in FIELDS:
        yield Problem("Choose a field.", place, number, "field")
        return
    if field in seen:
        yield Problem(f"This rule asks for {field} already.", place, number, "field")
    if comparator not in list(Comparator):
        yield Problem("Choose how it is compared.", place, number, "comparator")
    elif comparator == Comparator.FUZZY and not has_alike(field):
        message = f"Two values of {field} are the same or they are not: choose normalised or exact."
        yield Problem(message, place, number, "comparator")
    elif comparator == Comparator.FUZZY and not LEAST_ALIKE <= criterion["threshold"] <= 1:
        yield Problem(f"Between {LEAST_ALIKE:g} and 1.", place, number, "threshold")


def _score_problems(score: Mapping[str, Any]) -> Iterator[Problem]:
    out_of_range = False
    for name in THRESHOLDS:
        weight = score.get(name)
        if weight is not None and not -MOST_BITS <= weight <= MOST_BITS:
            out_of_range = True
            yield Problem(f"Between {-MOST_BITS:g} and {MOST_BITS:g} bits.", field=name)
    if out_of_range:
        return
    effective = {**model_thresholds(), **{n: score[n] for n in THRESHOLDS if score.get(n) is not None}}
    for join, review in (("join_weight", "review_weight"), ("join_household", "review_household")):
        if effective[review] > effective[join]:
            message = (
                f"Pairs are reviewed below {effective[join]:g}, from where they are joined: choose less."
            )
            yield Problem(message, field=review)

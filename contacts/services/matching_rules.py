"""The matching rules: those in force, their versions, and the only way to change them."""

import dataclasses
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.db import transaction
from django.db.models import Max

from contacts.grouping import rule_words
from contacts.grouping.model import Model
from contacts.grouping.rules import DEFAULT_RULES, NEVER_REACHED, Comparator, Criterion, Rule
from contacts.models import GroupingRun, Organisation, RuleSet
from contacts.permissions import sees_every_system
from contacts.services.rule_checks import THRESHOLDS, Problem, problems

FIRST = 1  # the rules as delivered, until somebody saves others
DEFAULT_SCORE: Mapping[str, Any] = {"is_active": True, **dict.fromkeys(THRESHOLDS)}

UNUSED_THRESHOLD = Criterion.threshold  # the default, so that an unused one makes no difference

describe = rule_words.describe


@dataclass(frozen=True)
class RulesInForce:
    """What the engine is given beside the refs and the model. Weights in bits; None: the model's.

    With the score switched off `join_weight` is one that no pair reaches.
    """

    number: int
    rules: Sequence[Rule]
    join_weight: float | None = None
    join_household: float | None = None
    review_weight: float | None = None
    review_household: float | None = None

    def applied_to(self, model: Model) -> Model:
        """The model with these thresholds where they say otherwise."""
        own = {name: getattr(self, name) for name in THRESHOLDS}
        return dataclasses.replace(model, **{name: value for name, value in own.items() if value is not None})


class CannotSaveRules(Exception):
    """Says, in words for whoever edits, why the rules were not saved."""


class MayNotSaveRules(CannotSaveRules):
    """The rules decide about the records of every system: who changes them may see them all."""

    def __init__(self) -> None:
        super().__init__(
            "The rules are the same for every system, so only someone who may see the records of all of them"
            " can change the rules."
        )


class SavedSince(CannotSaveRules):
    """Somebody saved a version after the one that was edited; neither theirs nor ours is lost."""

    def __init__(self, newest: RuleSet) -> None:
        who = newest.author.get_username() if newest.author else "someone"
        super().__init__(
            f"Version {newest.number} was saved by {who} since you began. Yours is not saved yet."
        )
        self.newest = newest


class NothingChanged(CannotSaveRules):
    def __init__(self) -> None:
        super().__init__("These rules are the ones in force: there is nothing to save.")


class BadRules(CannotSaveRules):
    """The rules cannot be used; `problems` says which part and why."""

    def __init__(self, found: Sequence[Problem]) -> None:
        super().__init__(" ".join(problem.message for problem in found))
        self.problems = found


def rules_in_force() -> RulesInForce:
    """The version in force; the rules as delivered while nobody has saved any. One query."""
    return as_given_to_engine(newest_version())


def rules_of_links() -> RulesInForce:
    """The version by which the links that stand were made: that of the last full run that came to its end.

    A run over the changes goes by the same. Before the first run, the version in force. Two queries.
    """
    full = GroupingRun.objects.concluded().filter(is_full=True, held={})
    last = full.order_by("-pk").values_list("basis", flat=True).first()
    number = (last or {}).get("rules")
    made_with = RuleSet.objects.filter(number=number).first() if number else None
    return as_given_to_engine(made_with) if made_with else rules_in_force()


def newest_version() -> RuleSet:
    """The version in force; one that stands in no row yet while the rules are as delivered."""
    return RuleSet.objects.select_related("author").filter(is_active=True).first() or _as_delivered()


def version(number: int) -> RuleSet:
    """A kept version by its number. Raises RuleSet.DoesNotExist."""
    standing = newest_version()
    return standing if standing.number == number else RuleSet.objects.get(number=number)


def as_given_to_engine(rule_set: RuleSet) -> RulesInForce:
    """What this version comes to for the engine."""
    return to_engine(rule_set.rules, rule_set.score, number=rule_set.number)


def to_engine(rules: Sequence[Mapping[str, Any]], score: Mapping[str, Any], *, number: int) -> RulesInForce:
    """Rules and score as they are kept, for the engine. Raises UnusableRule."""
    thresholds = {name: score.get(name) for name in THRESHOLDS}
    if not score["is_active"]:
        thresholds["join_weight"] = NEVER_REACHED
    return RulesInForce(number, [rule_words.from_json(rule) for rule in rules], **thresholds)


def check_may_save(by: User | AnonymousUser) -> None:
    """Raises MayNotSaveRules."""
    if not (by.has_perm("contacts.add_ruleset") and sees_every_system(by)):
        raise MayNotSaveRules


def tidied(rules: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rules as they are kept: each with a name of its own and the sentence that its criteria make.

    A rule keeps the name that it has; a new one is named after its title. Only for rules without problems.
    """
    taken = {rule["name"] for rule in rules if rule.get("name")}
    kept = []
    for rule in rules:
        name = rule.get("name") or _name_after(rule["title"], taken)
        taken.add(name)
        title = " ".join(rule["title"].split())
        criteria = [_tidied_criterion(criterion) for criterion in rule["criteria"]]
        made = rule_words.from_json(
            {**rule, "name": name, "title": title, "criteria": criteria, "sentence": ""}
        )
        kept.append(rule_words.as_json(dataclasses.replace(made, sentence=describe(made))))
    return kept


def checked(
    rules: Sequence[Mapping[str, Any]], score: Mapping[str, Any], *, based_on: int
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Rules and score as they would be kept. Raises BadRules, SavedSince or NothingChanged."""
    if found := problems(rules, score):
        raise BadRules(found)
    standing = newest_version()
    if standing.number != based_on:
        raise SavedSince(standing)
    kept, kept_score = tidied(rules), {**DEFAULT_SCORE, **score}
    if kept == standing.rules and kept_score == standing.score:
        raise NothingChanged
    return kept, kept_score


@transaction.atomic
def save_rules(
    rules: Sequence[Mapping[str, Any]],
    score: Mapping[str, Any],
    *,
    based_on: int,
    by: User,
    now: datetime,
    note: str = "",
) -> RuleSet:
    """Keep these rules as a new version and put it in force; the next night is a full run with them.

    `based_on` is the version they were made from: of two who edit the same one, the second gets SavedSince.
    Raises MayNotSaveRules, BadRules, SavedSince or NothingChanged.
    """
    check_may_save(by)
    Organisation.load()
    Organisation.objects.select_for_update().get()  # one at a time, also while no version has a row
    kept, kept_score = checked(rules, score, based_on=based_on)
    if not RuleSet.objects.exists():
        first = _as_delivered()
        first.created_at = now
        first.save()
    RuleSet.objects.filter(is_active=True).update(is_active=False)
    newest = RuleSet.objects.aggregate(newest=Max("number"))["newest"]
    return RuleSet.objects.create(
        number=newest + 1,
        rules=kept,
        score=kept_score,
        is_active=True,
        author=by,
        created_at=now,
        note=note[:300],
    )


def changes(before: RuleSet, rules: Sequence[Mapping[str, Any]], score: Mapping[str, Any]) -> list[str]:
    """What differs from a version, a sentence each."""
    one = [rule_words.from_json(rule) for rule in before.rules]
    other = [rule_words.from_json(rule) for rule in rules]
    return rule_words.changes(one, other) + _score_changes(before.score, score)


def _tidied_criterion(criterion: Mapping[str, Any]) -> dict[str, Any]:
    """A threshold is kept only where something is compared by it."""
    is_fuzzy = criterion["comparator"] == Comparator.FUZZY
    return {**criterion, "threshold": criterion["threshold"] if is_fuzzy else UNUSED_THRESHOLD}


def _score_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    said = []
    if before["is_active"] != after["is_active"]:
        said.append(f"The score was switched {'on' if after['is_active'] else 'off'}.")
    for name, label in THRESHOLDS.items():
        if before.get(name) != after.get(name):
            said.append(f"The score: {label} {_bits(after.get(name))} (before: {_bits(before.get(name))}).")
    return said


def _bits(weight: float | None) -> str:
    return "as the model says" if weight is None else f"{weight:g}"


def _as_delivered() -> RuleSet:
    return RuleSet(
        number=FIRST,
        rules=[rule_words.as_json(rule) for rule in DEFAULT_RULES],
        score=dict(DEFAULT_SCORE),
        is_active=True,
        note="As delivered.",
    )


def _name_after(title: str, taken: set[str]) -> str:
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    stem = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:26].strip("_")
    if not stem or not stem[0].isalpha():
        stem = f"rule_{stem}".rstrip("_")
    name, number = stem, 1
    while name in taken or name == "person":
        number += 1
        name = f"{stem}_{number}"
    return name

"""How each matching rule stands to a pair of refs, condition by condition, with both values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from contacts.grouping.records import Guard
from contacts.grouping.rule_words import criterion_in_words
from contacts.grouping.rules import Rule
from contacts.grouping.worlds import RuleHeld, Weighed
from contacts.models import SystemRef

# The fields of a System Ref behind each field that a rule may name.
WRITTEN: Mapping[str, Sequence[str]] = {
    "first name": ("first_name",),
    "last name": ("last_name",),
    "e-mail": ("email",),
    "business phone": ("phone",),
    "mobile": ("mobile",),
    "any phone": ("mobile", "phone"),
    "company": ("company",),
    "address": ("address1", "address2"),
    "postcode": ("postcode",),
    "city": ("city",),
    "date of birth": ("date_of_birth",),
}
NAMES = "the names"


class Note(StrEnum):
    """Why a condition fails where the two values alone do not say it."""

    BOTH_BLANK = "both are blank"
    ONE_BLANK = "one is blank"
    NOT_COUNTED = "does not count: a placeholder, or on too many records to tell people apart"
    AMBIGUOUS = "an initial or a blank name, which could stand for more than one person here"


@dataclass(frozen=True)
class Condition:
    """One demand of a rule; `field` as rules name it, or NAMES."""

    words: str
    field: str
    left: str
    right: str
    is_met: bool
    note: str = ""


@dataclass(frozen=True)
class RuleStanding:
    """A rule with its place among those in force, from 1 on."""

    number: int
    name: str
    title: str
    sentence: str
    conditions: Sequence[Condition]

    @property
    def failing(self) -> list[Condition]:
        return [condition for condition in self.conditions if not condition.is_met]

    @property
    def is_met(self) -> bool:
        return not self.failing


def standings(
    rules: Sequence[Rule],
    held: Mapping[str, RuleHeld],
    left: SystemRef,
    right: SystemRef,
    uncounted: Mapping[int, frozenset[str]],
    weighed: Weighed,
) -> list[RuleStanding]:
    """Each of these rules with its conditions, in their order."""
    found = []
    for number, rule in enumerate(rules, start=1):
        conditions = [
            _condition(criterion_in_words(c), c.field, left, right, is_met, uncounted)
            for c, is_met in zip(rule.criteria, held[rule.name].criteria, strict=True)
        ]
        if rule.names_must_agree:
            conditions.append(_names(rule, held[rule.name], left, right, weighed))
        found.append(RuleStanding(number, rule.name, rule.title or rule.name, rule.sentence, conditions))
    return found


def written(ref: SystemRef, field: str) -> str:
    """What the ref has in the field, as people read it."""
    values: list[Any] = [getattr(ref, name) for name in WRITTEN[field]]
    return ", ".join(f"{v:%-d %b %Y}" if hasattr(v, "year") else str(v) for v in values if v)


def _condition(
    words: str,
    field: str,
    left: SystemRef,
    right: SystemRef,
    is_met: bool,
    uncounted: Mapping[int, frozenset[str]],
) -> Condition:
    values = written(left, field), written(right, field)
    note = ""
    if not is_met:
        blanks = sum(not value for value in values)
        counted = all(field not in uncounted[ref.pk] for ref in (left, right))
        note = {2: Note.BOTH_BLANK, 1: Note.ONE_BLANK}.get(blanks, "" if counted else Note.NOT_COUNTED)
    return Condition(words, field, *values, is_met, note)


def _names(rule: Rule, held: RuleHeld, left: SystemRef, right: SystemRef, weighed: Weighed) -> Condition:
    """Blank names and initials agree for as long as they cannot be two people's (Rule.names_must_agree)."""
    is_doubtful = weighed.guard == Guard.NAMES and weighed.rule == rule.name
    is_faint = not held.names_agree and not held.names_clash
    is_met = held.names_agree or (is_faint and not is_doubtful)
    note = Note.AMBIGUOUS if is_faint and is_doubtful else ""
    return Condition("the names agree", NAMES, left.full_name, right.full_name, is_met, note)

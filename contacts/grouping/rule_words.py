"""A rule in words, in JSON, and against another: what people read and what is kept of it."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

from contacts.grouping.rules import Comparator, Criterion, Rule, demands_equality, has_alike

# Agreement on these alone says little: strangers share them.
SHARED_BY_STRANGERS = {"first name", "last name", "company", "city"}


def describe(rule: Rule) -> str:
    """The rule as a sentence, written from its criteria, so that it cannot say anything else than they do."""
    same, typed, alike = [], [], []
    for criterion in rule.criteria:
        if criterion.comparator is Comparator.EXACT:
            typed.append(criterion.field)
        elif criterion.comparator is Comparator.FUZZY and has_alike(criterion.field):
            alike.append(criterion.field)
        else:
            same.append(criterion.field)
    clauses = [
        f"{_listed([_the(field) for field in fields], ' and ')} {'is' if len(fields) == 1 else 'are'} {how}"
        for fields, how in ((same, "the same"), (typed, "the same as typed"))
        if fields
    ]
    if alike:
        first = alike[0] if clauses else _the(alike[0])
        words = _listed([first, *alike[1:]], " and ")
        clauses.append(f"{words} {'is' if len(alike) == 1 else 'are'} alike")
    if rule.names_must_agree:
        clauses[-1] += " and the names agree"
    sentence = "; ".join(clauses)
    return f"{sentence[:1].upper()}{sentence[1:]}."


def doubts(rule: Rule) -> list[str]:
    """What speaks against a rule that can be used: sentences for whoever writes it."""
    found = []
    if not any(demands_equality(criterion) for criterion in rule.criteria):
        found.append(
            "Nothing in it has to be the same, so it is tried only on pairs that something else brings"
            " together: an e-mail, a phone, a name with a date of birth, a postcode or an address."
        )
    if not rule.names_must_agree and {criterion.field for criterion in rule.criteria} <= SHARED_BY_STRANGERS:
        found.append("Strangers share all of this: expect it to join people who have never met.")
    return found


def criterion_in_words(criterion: Criterion) -> str:
    """One criterion as a list says it: “first name alike from 0.88, a blank is no objection”."""
    words = {
        Comparator.EXACT: "the same as typed",
        Comparator.NORMALISED: "the same",
        Comparator.FUZZY: f"alike from {criterion.threshold:g}",
    }[criterion.comparator]
    return f"{criterion.field} {words}" + (
        ", a blank is no objection" if criterion.blank_is_no_objection else ""
    )


def as_json(rule: Rule) -> dict[str, Any]:
    """The rule with everything that `from_json` needs."""
    return {
        "name": rule.name,
        "title": rule.title,
        "sentence": rule.sentence,
        "criteria": [
            {
                "field": criterion.field,
                "comparator": criterion.comparator.value,
                "threshold": criterion.threshold,
                "blank_is_no_objection": criterion.blank_is_no_objection,
            }
            for criterion in rule.criteria
        ],
        "names_must_agree": rule.names_must_agree,
        "is_active": rule.is_active,
    }


def from_json(kept: Mapping[str, Any]) -> Rule:
    """The rule that `as_json` wrote. Raises UnusableRule."""
    criteria = [
        Criterion(**{**criterion, "comparator": Comparator(criterion["comparator"])})
        for criterion in kept["criteria"]
    ]
    return Rule(**{**kept, "criteria": criteria})


def changes(before: Sequence[Rule], after: Sequence[Rule]) -> list[str]:
    """What changed from one list of rules to another, a sentence each; none where they are the same."""
    earlier = {rule.name: rule for rule in before}
    later = {rule.name: rule for rule in after}
    said = [f"“{rule.title}” was removed." for rule in before if rule.name not in later]
    for place, rule in enumerate(after, start=1):
        if rule.name not in earlier:
            off = "" if rule.is_active else " It is off."
            said.append(f"“{rule.title}” was added as rule {place}: {describe(rule)}{off}")
        else:
            said += _rule_changes(earlier[rule.name], rule)
    kept_before = [rule.name for rule in before if rule.name in later]
    kept_after = [rule.name for rule in after if rule.name in earlier]
    if kept_before != kept_after:
        said.append(f"The order is now {_listed([f'“{later[name].title}”' for name in later], ', ')}.")
    return said


def _rule_changes(before: Rule, after: Rule) -> list[str]:
    said = []
    if before.title != after.title:
        said.append(f"“{before.title}” is now called “{after.title}”.")
    if before.is_active != after.is_active:
        said.append(f"“{after.title}” was switched {'on' if after.is_active else 'off'}.")
    if before.names_must_agree != after.names_must_agree:
        must = "must agree" if after.names_must_agree else "need not agree any more"
        said.append(f"“{after.title}”: the names {must}.")
    return said + [f"“{after.title}”: {change}" for change in _criteria_changes(before, after)]


def _criteria_changes(before: Rule, after: Rule) -> list[str]:
    earlier = {criterion.field: criterion for criterion in before.criteria}
    later = {criterion.field: criterion for criterion in after.criteria}
    said = [f"no longer asks for {field}." for field in earlier if field not in later]
    for field, criterion in later.items():
        if field not in earlier:
            said.append(f"now asks for {criterion_in_words(criterion)}.")
        elif criterion != earlier[field]:
            said.append(f"{criterion_in_words(criterion)} (before: {criterion_in_words(earlier[field])}).")
    kept = ([f for f in earlier if f in later], [f for f in later if f in earlier])
    if any(one != other for one, other in zip_longest(*kept)):
        said.append(f"the criteria stand in the order {_listed(list(later), ', ')}.")
    return said


def _the(field: str) -> str:
    return field if field.startswith("any ") else f"the {field}"


def _listed(words: Sequence[str], last: str) -> str:
    """“a, b and c”, with `last` before the last one."""
    *first, end = words
    return f"{', '.join(first)}{last}{end}" if first else end

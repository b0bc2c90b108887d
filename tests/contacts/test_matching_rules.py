"""Matching rules as a manager keeps them: versions, who may save, two at once, what cannot be a rule."""

import pytest

from contacts.grouping.rule_words import as_json
from contacts.grouping.rules import DEFAULT_RULES
from contacts.models import RuleSet
from contacts.services.matching_rules import (
    BadRules,
    rules_in_force,
    save_rules,
)
from tests.factories import NOW, UserFactory

pytestmark = pytest.mark.django_db

SCORE = {"is_active": True}


def criterion(field, comparator="normalised", threshold=0.88, *, blank=False):
    return {
        "field": field,
        "comparator": comparator,
        "threshold": threshold,
        "blank_is_no_objection": blank,
    }


def rule(title, *criteria, name="", is_active=True, names_must_agree=False):
    return {
        "name": name,
        "title": title,
        "criteria": list(criteria),
        "names_must_agree": names_must_agree,
        "is_active": is_active,
    }


def as_delivered():
    return [as_json(rule) for rule in DEFAULT_RULES]


CITY = rule("Same company and city", criterion("company"), criterion("city"))


@pytest.fixture
def manager():
    return UserFactory(is_superuser=True)


def save(rules, *, by, based_on=1, score=SCORE, note=""):
    return save_rules(rules, score, based_on=based_on, by=by, now=NOW, note=note)


def refusal(rules, *, by, score=SCORE):
    with pytest.raises(BadRules) as refused:
        save(rules, by=by, score=score)
    return [(p.rule, p.criterion, p.field, p.message) for p in refused.value.problems]


def test_the_rules_as_delivered_are_in_force_until_somebody_saves_others(django_assert_num_queries):
    with django_assert_num_queries(1):
        found = rules_in_force()

    assert (found.number, found.rules) == (1, list(DEFAULT_RULES))
    assert (found.join_weight, found.join_household) == (None, None)


def test_a_saved_version_is_in_force_and_the_one_before_is_kept(manager, django_assert_num_queries):
    save([*as_delivered(), CITY], by=manager, note="For the box office.")

    with django_assert_num_queries(1):
        found = rules_in_force()
    assert found.number == 2
    assert [rule.name for rule in found.rules] == ["email", "address", "phone", "same_company_and_city"]
    assert found.rules[3].sentence == "The company and the city are the same."
    kept = RuleSet.objects.order_by("number").values_list("number", "is_active", "author", "note")
    assert list(kept) == [
        (1, False, None, "As delivered."),
        (2, True, manager.pk, "For the box office."),
    ]
    assert RuleSet.objects.get(number=1).rules == as_delivered()

"""Rules that a manager edits: what they find, and what cannot be a rule."""

import pytest

from contacts.grouping.rules import DEFAULT_RULES, Comparator, Criterion, Rule, UnusableRule
from tests.contacts.grouping.refs import grouped

HOME = {"last_name": "Quennell", "city": "Durham", "company": "Corvid Media"}


def test_a_rule_of_ones_own_finds_pairs_that_no_default_key_finds():
    rule = Rule("company", "Same company and city.", [Criterion("company"), Criterion("city")])

    assert grouped(HOME | {"first_name": "Ann"}, HOME | {"first_name": "Ben"}, rules=[rule]) == [{1, 2}]


def test_a_rule_switched_off_decides_nothing():
    rule = Rule(
        "company", "Same company and city.", [Criterion("company"), Criterion("city")], is_active=False
    )

    assert grouped(HOME | {"first_name": "Ann"}, HOME | {"first_name": "Ben"}, rules=[rule]) == [{1}, {2}]


def test_exact_asks_for_the_same_accents_normalised_does_not():
    pair = [{"last_name": "Núñez", "city": "Leeds"}, {"last_name": "Nunez", "city": "Leeds"}]

    def rule(comparator: Comparator) -> list[Rule]:
        return [Rule("name", "Same name and city.", [Criterion("last name", comparator), Criterion("city")])]

    assert grouped(*pair, rules=rule(Comparator.NORMALISED)) == [{1, 2}]
    assert grouped(*pair, rules=rule(Comparator.EXACT)) == [{1}, {2}]


def test_any_phone_agrees_across_the_two_boxes():
    rule = Rule("phones", "Same last name, any phone.", [Criterion("last name"), Criterion("any phone")])
    pair = [
        {"last_name": "Venn", "phone": "07700 900461"},
        {"last_name": "Venn", "mobile": "+44 7700 900461"},
    ]

    assert grouped(*pair, rules=[rule]) == [{1, 2}]


def test_the_default_rules_are_all_active():
    assert [rule.name for rule in DEFAULT_RULES if rule.is_active] == ["email", "address", "phone"]


def test_a_rule_that_two_blanks_satisfy_is_refused():
    with pytest.raises(UnusableRule, match="blanks do not satisfy"):
        Rule("loose", "Company.", [Criterion("company", blank_is_no_objection=True)])


def test_an_unknown_field_is_refused():
    with pytest.raises(UnusableRule, match="shoe size"):
        Criterion("shoe size")

"""Matching rules as a manager keeps them: versions, who may save, two at once, what cannot be a rule."""

import datetime as dt
import threading

import pytest
from django.db import IntegrityError, connection, transaction

from contacts.grouping.rule_words import as_json
from contacts.grouping.rules import DEFAULT_RULES, NEVER_REACHED, Rule, UnusableRule
from contacts.models import RuleSet
from contacts.permissions import SystemRight, grant
from contacts.services.matching_rules import (
    BadRules,
    CannotSaveRules,
    MayNotSaveRules,
    NothingChanged,
    SavedSince,
    changes,
    describe,
    newest_version,
    rules_in_force,
    save_rules,
    tidied,
    to_engine,
)
from kore_site.roles import CRM_MANAGERS, SALES_REPS
from tests.contacts.grouping.refs import MODEL, grouped, run
from tests.factories import NOW, TicketSystemFactory, UserFactory

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


def test_a_rule_of_ones_own_keeps_its_name_when_it_is_called_otherwise(manager):
    first = save([*as_delivered(), CITY, rule("Ñandú 7", criterion("mobile"))], by=manager)
    renamed = [*first.rules[:3], first.rules[3] | {"title": "Same firm"}, first.rules[4]]

    second = save(renamed, by=manager, based_on=2)

    assert [kept["name"] for kept in second.rules[3:]] == ["same_company_and_city", "nandu_7"]
    assert changes(first, second.rules, second.score) == [
        "“Same company and city” is now called “Same firm”."
    ]


@pytest.mark.parametrize("name", ["a b", "x'; drop table refs; --", "Person", "person", "7up", "a" * 31, ""])
def test_a_name_that_is_not_fit_for_sql_is_no_rule(name):
    with pytest.raises(UnusableRule):
        Rule(name, "", DEFAULT_RULES[0].criteria)


def test_sentences_say_what_the_criteria_ask_for():
    assert [describe(rule) for rule in DEFAULT_RULES] == [rule.sentence for rule in DEFAULT_RULES]
    [typed] = to_engine(
        tidied([rule("T", criterion("city", "exact"), criterion("any phone"))]), SCORE, number=2
    ).rules
    assert typed.sentence == "Any phone is the same; the city is the same as typed."


@pytest.mark.req("R-MDB-16")
@pytest.mark.parametrize("role", [CRM_MANAGERS, SALES_REPS])
def test_only_a_manager_who_sees_every_system_saves(role):
    system = TicketSystemFactory()
    user = UserFactory(role=role)
    with pytest.raises(MayNotSaveRules):
        save([CITY], by=user)
    grant(user, SystemRight.VIEW, on=system)
    user = type(user).objects.get(pk=user.pk)

    if role == CRM_MANAGERS:
        assert save([CITY], by=user).number == 2
    else:
        with pytest.raises(MayNotSaveRules):
            save([CITY], by=user)


def test_saving_what_is_in_force_makes_no_version(manager):
    with pytest.raises(NothingChanged):
        save(as_delivered(), by=manager)

    assert not RuleSet.objects.exists()


def test_the_second_of_two_who_edit_the_same_version_is_told_and_nothing_is_lost(manager):
    first = save([CITY], by=manager)

    with pytest.raises(SavedSince, match="Version 2 was saved by") as refused:
        save([*as_delivered(), CITY], by=manager, based_on=1)

    assert (refused.value.newest, newest_version()) == (first, first)


@pytest.mark.django_db(transaction=True)
def test_of_two_who_save_at_once_one_passes(manager):
    ready, results = threading.Barrier(2), []

    def work(title):
        try:
            ready.wait(10)
            results.append(save([rule(title, criterion("mobile"))], by=manager).number)
        except CannotSaveRules as refusal:
            results.append(type(refusal).__name__)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=[title]) for title in ("One", "Other")]
    if connection.vendor == "sqlite":  # a database in memory is one connection's: one after the other
        for title in ("One", "Other"):
            try:
                results.append(save([rule(title, criterion("mobile"))], by=manager).number)
            except CannotSaveRules as refusal:
                results.append(type(refusal).__name__)
    else:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert sorted(map(str, results)) == ["2", "SavedSince"]
    kept = RuleSet.objects.order_by("number").values_list("number", "is_active")
    assert list(kept) == [(1, False), (2, True)]


@pytest.mark.parametrize("edit", [{"rules": []}, {"score": {}}, {"note": "x"}, {"number": 9}])
def test_a_version_that_was_made_is_never_edited(manager, edit):
    save([CITY], by=manager)

    with pytest.raises(IntegrityError, match="never edited"), transaction.atomic():
        RuleSet.objects.filter(number=2).update(**edit)

    manager.delete()
    kept = RuleSet.objects.get(number=2)
    assert (kept.rules, kept.author) == (tidied([CITY]), None)


def test_two_versions_are_never_in_force_at_once(manager):
    save([CITY], by=manager)

    with pytest.raises(IntegrityError), transaction.atomic():
        RuleSet.objects.filter(number=1).update(is_active=True)


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (rule(" ", criterion("city")), (0, None, "title")),
        (rule("No criteria"), (0, None, "")),
        (rule("Blanks", criterion("city", blank=True)), (0, None, "")),
        (rule("Field", criterion("shoe size")), (0, 0, "field")),
        (rule("Way", criterion("city", "sounds like")), (0, 0, "comparator")),
        (rule("No alike", criterion("any phone", "fuzzy")), (0, 0, "comparator")),
        (rule("Low", criterion("city", "fuzzy", 0.49)), (0, 0, "threshold")),
        (rule("High", criterion("city", "fuzzy", 1.01)), (0, 0, "threshold")),
        (rule("Nan", criterion("city", "fuzzy", float("nan"))), (0, 0, "threshold")),
        (rule("Twice", criterion("city"), criterion("city", "exact")), (0, 1, "field")),
        (rule("Names", criterion("city"), name="x' or 1=1"), (0, None, "title")),
    ],
)
def test_what_cannot_be_a_rule_is_refused_at_the_very_place(manager, wrong, where):
    [(place, number, field, message)] = refusal([wrong], by=manager)

    assert (place, number, field) == where
    assert message.endswith(".")


def test_what_cannot_be_a_set_of_rules_is_refused(manager):
    twice = [CITY, CITY | {"title": " same  company AND city"}]
    kinds = [
        rule(f"Kind {number}", criterion(field), criterion("company"))
        for number, field in enumerate(("city", "address", "first name", "last name", "postcode"))
    ]

    assert [found[:3] for found in refusal(twice, by=manager)] == [(0, None, "title"), (1, None, "title")]
    assert refusal(kinds, by=manager)[0][3].startswith("Together the rules need 17 kinds of search key")
    off = [CITY | {"is_active": False}]
    assert refusal(off, by=manager, score={"is_active": False})[0][3].startswith("Every rule and the score")


def test_a_threshold_of_the_score_lies_in_reach_and_reviews_lie_below_joins(manager):
    bad = {"is_active": True, "join_weight": 3.0, "review_weight": 4.0, "join_household": float("inf")}

    assert [found[2] for found in refusal([CITY], by=manager, score=bad)] == ["join_household"]
    bad["join_household"] = None
    assert [found[2] for found in refusal([CITY], by=manager, score=bad)] == ["review_weight"]


def in_force(*rules, **score):
    """These rules, without the score unless it is switched on, as the arguments of an engine run."""
    given = to_engine(tidied(rules), {"is_active": False, **score}, number=2)
    return {"rules": given.rules, "model": given.applied_to(MODEL)}


TOWN = {"city": "Durham"}


@pytest.mark.parametrize(
    ("asked", "left", "right", "joins"),
    [
        (criterion("last name", "exact"), {"last_name": "Núñez"}, {"last_name": " NÚÑEZ "}, True),
        (criterion("last name", "exact"), {"last_name": "Núñez"}, {"last_name": "Nunez"}, False),
        (criterion("last name"), {"last_name": "Núñez"}, {"last_name": "Nunez"}, True),
        (criterion("last name"), {"last_name": "Martha"}, {"last_name": "Marhta"}, False),
        (criterion("last name", "fuzzy", 0.96), {"last_name": "Martha"}, {"last_name": "Marhta"}, True),
        (criterion("last name", "fuzzy", 0.97), {"last_name": "Martha"}, {"last_name": "Marhta"}, False),
        (criterion("any phone"), {"phone": "07700 900461"}, {"mobile": "+44 7700 900461"}, True),
        (criterion("any phone", "exact"), {"phone": "07700 900461"}, {"mobile": "+447700900461"}, False),
        (criterion("business phone"), {"phone": "07700 900461"}, {"mobile": "07700 900461"}, False),
        (criterion("company"), {"company": ""}, {"company": ""}, False),
        (criterion("company"), {"company": "n/a"}, {"company": "N/A"}, False),
        (criterion("company", blank=True), {"company": ""}, {"company": "Corvid"}, True),
        (criterion("company", blank=True), {"company": "Heron"}, {"company": "Corvid"}, False),
    ],
)
def test_a_rule_made_in_the_editor_holds_as_it_says(asked, left, right, joins):
    made = in_force(rule("Town", criterion("city"), asked))

    found = grouped(TOWN | left, TOWN | right, **made)

    assert found == ([{1, 2}] if joins else [{1}, {2}])


def test_the_first_rule_that_holds_names_the_link():
    pair = [TOWN | {"company": "Corvid"}] * 2
    both = [rule("By firm", criterion("company")), rule("By town", criterion("city"))]

    names = [run(*pair, **in_force(*order)).links["rule"].to_pylist() for order in (both, both[::-1])]

    assert names == [["by_firm"], ["by_town"]]


def test_the_score_joins_from_its_threshold_and_not_at_all_when_off():
    ann = {"first_name": "Ann", "last_name": "Quennell", "postcode": "DH1 1AA"}
    ann |= {"date_of_birth": dt.date(1980, 5, 4)}
    nothing = rule("Never", criterion("company"))

    def groups(**score):
        return grouped(ann, ann | {"first_name": "Anne"}, **in_force(nothing, **score))

    assert groups(is_active=True) == [{1, 2}]
    assert groups(is_active=True, join_weight=39.0) == [{1}, {2}]
    assert groups(is_active=False) == [{1}, {2}]
    assert to_engine([], {"is_active": False}, number=2).join_weight == NEVER_REACHED

"""What if other rules were in force: counted and shown before anybody saves them."""

import pytest

from contacts.models import RuleSet, RuleTrial
from contacts.services.matching_rules import rules_in_force, save_rules, tidied, to_engine
from contacts.services.regroup import regroup
from contacts.services.rule_trials import (
    KEPT_FOR,
    NotTriedYet,
    file_trial,
    prune_trials,
    resume_trials,
    run_trial,
    save_trial,
)
from contacts.services.what_if import STEPS, Example, Kind, WhatIf, what_if
from tests.contacts.test_matching_rules import CITY, SCORE, as_delivered, criterion, rule
from tests.factories import NOW, SystemRefFactory, TicketSystemFactory, UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


def proposed(*rules, **score):
    return to_engine(tidied(rules), {**SCORE, **score}, number=2)


@pytest.fixture
def manager():
    return UserFactory(is_superuser=True)


@pytest.fixture
def people():
    """Four: Ann twice under one e-mail, Bo and Cy who share a company and a city with her first record."""
    system = TicketSystemFactory()
    home = {"company": "Corvid", "city": "Durham"}
    return [
        SystemRefFactory(system=system, first_name="Ann", last_name="Lee", email="ann@x.org", **home),
        SystemRefFactory(system=system, first_name="Ann", last_name="Lee", email="ann@x.org"),
        SystemRefFactory(system=system, first_name="Bo", last_name="Okafor", **home),
        SystemRefFactory(system=system, first_name="Cy", last_name="Reyes", **home),
    ]


def test_a_further_rule_joins_what_it_says_and_shows_it(people):
    ann, ann_again, bo, cy = (ref.pk for ref in people)

    found = what_if(rules=proposed(*as_delivered(), CITY))

    [example] = found.examples
    assert (found.groups_before, found.groups_after, found.joined, found.split) == (3, 1, 2, 0)
    assert (example.kind, example.rule) == (Kind.JOIN, "same_company_and_city")
    sides = {frozenset(example.left), frozenset(example.right), frozenset(example.others)}
    assert sides == {frozenset({ann, ann_again}), frozenset({bo}), frozenset({cy})}


def test_rules_switched_off_split_what_they_held_together(people):
    ann, ann_again, _bo, _cy = (ref.pk for ref in people)
    off = [kept | {"is_active": kept["name"] != "email"} for kept in as_delivered()]

    found = what_if(rules=proposed(*off, join_weight=40))

    assert found == WhatIf(3, 4, 0, 1, [Example(Kind.SPLIT, "email", [ann], [ann_again], [])])


def test_what_waits_for_the_night_anyway_is_not_counted(people):
    assert what_if(rules=rules_in_force()) == WhatIf(3, 3, 0, 0, [])


def test_examples_come_from_every_rule_the_large_and_the_small():
    system = TicketSystemFactory()
    for number in range(6):
        for _ in range(2 + number):
            SystemRefFactory(system=system, first_name="", company=f"Corvid {number}", city="Durham")
    for number in range(6):
        for name in ("Ann", "Bo"):
            SystemRefFactory(system=system, first_name=name, address1=f"{number} Quay St", postcode="LS1 4AB")
    blank = [kept | {"is_active": False} for kept in as_delivered()]
    address = rule("Address", criterion("address"), criterion("postcode"))

    found = what_if(rules=proposed(*blank, CITY, address), examples=4)

    by_rule = [
        (example.rule, len([*example.left, *example.right, *example.others])) for example in found.examples
    ]
    assert sorted(name for name, _size in by_rule) == ["address_2"] * 2 + ["same_company_and_city"] * 2
    assert [size for name, size in by_rule if name != "address_2"] in ([7, 2], [7, 3])


def test_a_dry_run_counts_what_the_next_night_then_does(people, manager):
    regroup(now=NOW)
    trial = file_trial([*as_delivered(), CITY], SCORE, based_on=1, by=manager, now=NOW)
    run_trial(trial.pk, clock=lambda: NOW)
    trial.refresh_from_db()

    save_trial(trial, by=manager, now=NOW)
    night = regroup(now=NOW)

    assert (trial.counts["joined"], trial.counts["split"]) == (night.joined, night.split) == (2, 0)
    assert trial.counts["groups_after"] == night.contacts == 1
    back = file_trial(RuleSet.objects.get(number=1).rules, SCORE, based_on=2, by=manager, now=NOW)
    run_trial(back.pk, clock=lambda: NOW)
    back.refresh_from_db()
    save_trial(back, by=manager, now=NOW, note="Version 1 again.")
    after = regroup(now=NOW)
    assert (back.counts["joined"], back.counts["split"]) == (after.joined, after.split) == (0, 2)


def test_a_dry_run_may_be_run_twice_and_one_that_was_left_is_taken_up(people, manager):
    done = file_trial([*as_delivered(), CITY], SCORE, based_on=1, by=manager, now=NOW)
    left = file_trial([CITY], SCORE, based_on=1, by=manager, now=NOW)
    RuleTrial.objects.filter(pk=left.pk).update(state=RuleTrial.State.RUNNING, step=2)

    taken_up = resume_trials(clock=lambda: NOW)
    run_trial(done.pk, clock=lambda: NOW)

    found = RuleTrial.objects.order_by("pk").values_list("state", "step", "counts__joined")
    assert taken_up == 2
    assert list(found) == [("done", len(STEPS), 2), ("done", len(STEPS), 2)]


def test_only_a_finished_dry_run_can_be_saved_and_old_ones_are_forgotten(manager):
    trial = file_trial([CITY], SCORE, based_on=1, by=manager, now=NOW)

    with pytest.raises(NotTriedYet):
        save_trial(trial, by=manager, now=NOW)

    assert not RuleSet.objects.exists()
    assert (prune_trials(now=NOW + KEPT_FOR), RuleTrial.objects.count()) == (0, 1)
    assert prune_trials(now=NOW + KEPT_FOR * 2) == 1


def test_a_dry_run_of_rules_that_were_overtaken_cannot_be_saved(people, manager):
    trial = file_trial([CITY], SCORE, based_on=1, by=manager, now=NOW)
    run_trial(trial.pk, clock=lambda: NOW)
    trial.refresh_from_db()
    save_rules([*as_delivered(), CITY], SCORE, based_on=1, by=manager, now=NOW)

    with pytest.raises(Exception, match="Version 2 was saved by"):
        save_trial(trial, by=manager, now=NOW)

    assert RuleSet.objects.count() == 2

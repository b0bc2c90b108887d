"""What if other rules were in force: counted and shown before anybody saves them."""

import pytest

from contacts.services.matching_rules import to_engine
from contacts.services.what_if import Example, Kind, WhatIf, what_if
from tests.contacts.test_matching_rules import SCORE, as_delivered, criterion, rule
from tests.factories import SystemRefFactory, TicketSystemFactory

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


def proposed(*rules, **score):
    return to_engine(
        [
            {"name": f"rule_{n}", "sentence": "", **r, **({} if r["name"] else {"name": f"rule_{n}"})}
            for n, r in enumerate(rules)
        ],
        {**SCORE, **score},
        number=2,
    )


def test_a_further_rule_joins_what_it_says_and_shows_it():
    system = TicketSystemFactory()
    one = SystemRefFactory(system=system, first_name="Ann", last_name="Lee", company="Corvid", city="Durham")
    two = SystemRefFactory(
        system=system, first_name="Bo", last_name="Okafor", company="Corvid", city="Durham"
    )
    SystemRefFactory(system=system, first_name="Cy", last_name="Reyes", company="Corvid", city="Leeds")
    same = rule("Company and city", criterion("company"), criterion("city"), name="same")

    found = what_if(rules=proposed(*as_delivered(), same))

    assert found == WhatIf(3, 2, 1, 0, [Example(Kind.JOIN, "same", [one.pk], [two.pk], [])])

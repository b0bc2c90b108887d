"""Numbers and mailboxes that are one person's in two spellings, and those that pass from hand to hand."""

from datetime import date
from time import process_time

import pytest

from benchmarks.population import make_population
from contacts.grouping.engine import group
from contacts.grouping.model import freeze_model
from tests.contacts.grouping.refs import grouped

JUTTA = {"first_name": "Jutta", "last_name": "Wendlandt", "country": "DE"}


@pytest.mark.parametrize("typed", ["+49 30 90182 4417", "0049 (0)30 901824417", "030/90182-4417"])
def test_a_german_number_is_one_number_with_and_without_its_country(typed):
    pair = [JUTTA | {"phone": "030 901824417"}, JUTTA | {"phone": typed}]

    assert grouped(*pair) == [{1, 2}]


def test_a_number_without_a_country_is_read_as_the_customers_own():
    pair = [
        JUTTA | {"phone": "030 9018241", "country": ""},
        JUTTA | {"phone": "+49 30 9018241", "country": ""},
    ]

    assert grouped(*pair, default_country="DE") == [{1, 2}]
    assert grouped(*pair, default_country="GB") == [{1}, {2}]


def test_a_mobile_that_passed_to_somebody_else_joins_nobody():
    before = {
        "first_name": "Agnes",
        "last_name": "Mowbray",
        "mobile": "07700 900121",
        "postcode": "LN2 1PZ",
        "date_of_birth": date(1939, 1, 17),
    }
    after = before | {
        "first_name": "Tariq",
        "last_name": "Hussain",
        "postcode": "BD1 4RN",
        "date_of_birth": date(2001, 6, 3),
    }

    assert grouped(before, after | {"mobile": "+44 7700 900121"}) == [{1}, {2}]


@pytest.mark.slow
@pytest.mark.req("C-20")
def test_one_e_mail_on_a_twentieth_of_the_refs_joins_nobody_and_takes_no_time():
    refs, _ = make_population(5_000, seed=3)
    emails = refs["email"].to_pylist()
    poisoned = emails.copy()
    poisoned[::20] = ["boxoffice@hall.example"] * 250
    without = emails.copy()
    without[::20] = [""] * 250
    column = refs.schema.get_field_index("email")
    plain, hit = (refs.set_column(column, "email", [values]) for values in (without, poisoned))
    model = freeze_model(hit, version=1, hash_key=b"secret")

    started = process_time()
    result = group(hit, model=model)
    seconds = process_time() - started

    assert result.partition == group(plain, model=model).partition
    assert {"kind": "email", "holders": 250} in result.poisoned.to_pylist()
    assert seconds < 15

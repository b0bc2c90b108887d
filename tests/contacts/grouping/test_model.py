"""What a frozen model keeps, and what it must not keep."""

from datetime import date, timedelta

import pyarrow as pa

from contacts.grouping.engine import group
from contacts.grouping.model import PRESET_HOUSEHOLD_PRIOR, Model, freeze_model
from tests.contacts.grouping.refs import grouped, table

PEOPLE = [
    {
        "first_name": f"F{chr(97 + n % 26)}{chr(98 + n // 26)}",
        "last_name": "Smith",
        "email": "office@example.org",
    }
    for n in range(70)
]


def test_a_model_keeps_hashes_of_common_values_only():
    model = freeze_model(table(*PEOPLE), version=1, hash_key=b"secret")

    assert model.frequencies["column"].to_pylist() == ["em", "ln"]
    assert model.bad_keys.select(["kind", "holders"]).to_pylist() == [{"kind": "email", "holders": 70}]
    assert "smith" not in str(model.frequencies.to_pylist())
    assert model.household_prior == PRESET_HOUSEHOLD_PRIOR


def test_another_hash_key_gives_other_hashes():
    models = [freeze_model(table(*PEOPLE), version=1, hash_key=key) for key in (b"one", b"two")]

    assert models[0].frequencies["term_hash"] != models[1].frequencies["term_hash"]


def test_a_model_survives_json():
    model = freeze_model(table(*PEOPLE), version=3, hash_key=b"secret")

    again = Model.from_json(model.to_json(), frequencies=model.frequencies, bad_keys=model.bad_keys)

    assert again == model


def test_a_key_frozen_as_bad_stays_ignored_when_few_hold_it():
    model = freeze_model(table(*PEOPLE), version=1, hash_key=b"secret")
    ann = {"first_name": "Ann", "last_name": "Quennell", "email": "office@example.org"}

    result = group(table(ann, ann | {"city": "Leeds"}), model=model)

    assert result.partition["group_id"].to_pylist() == [1, 2]
    assert result.poisoned.to_pylist() == [{"kind": "email", "holders": 70}]


def test_a_model_of_no_refs_can_be_frozen():
    assert freeze_model(table(), version=1, hash_key=b"secret").frequencies == pa.table(
        {"column": [], "term_hash": [], "share": []}, schema=Model.preset(1).frequencies.schema
    )


def _homes(count: int, *, second_first_name: str = "", spare_copies: int = 1) -> list[dict[str, object]]:
    """Houses of one person each, whose last record bears a wholly different date of birth."""
    rows = []
    for number in range(count):
        letters = f"{chr(97 + number % 26)}{chr(97 + number // 26)}"
        person = {
            "first_name": f"Zo{letters}",
            "last_name": f"Quen{letters}ell",
            "address1": f"{number + 1} Ash{letters}by Road",
            "postcode": f"LS{number + 1} 4AB",
            "date_of_birth": date(1950, 2, 3) + timedelta(days=37 * number),
        }
        other_day = person | {"date_of_birth": date(1984, 9, 17) + timedelta(days=41 * number)}
        rows += [person] * (1 + spare_copies) + [
            other_day | {"first_name": second_first_name or person["first_name"]}
        ]
    return rows


def test_dates_of_birth_are_doubted_where_namesakes_in_a_house_are_far_too_many():
    refs = table(*_homes(60, spare_copies=20))
    model = freeze_model(refs, version=1, hash_key=b"secret")

    assert model.doubts_dates
    assert len(set(group(refs, model=model).partition["group_id"].to_pylist())) == 60


def test_dates_of_birth_are_not_doubted_where_few_namesakes_share_a_house():
    few = _homes(3) + _homes(60, second_first_name="Bartholomew")

    model = freeze_model(table(*few), version=1, hash_key=b"secret")

    assert not model.doubts_dates


def test_father_and_son_of_one_name_and_house_are_two_people_under_the_preset():
    father = {
        "first_name": "Zachary", "last_name": "Quennell", "address1": "5 Ashby Road", "postcode": "LS1 4AB",
        "date_of_birth": date(1950, 2, 3),
    }  # fmt: skip

    assert grouped(father, father | {"date_of_birth": date(1984, 9, 17)}) == [{1}, {2}]

"""What a frozen model keeps, and what it must not keep."""

import pyarrow as pa

from contacts.grouping.engine import group
from contacts.grouping.model import PRESET_HOUSEHOLD_PRIOR, Model, freeze_model
from tests.contacts.grouping.refs import table

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
    assert result.poisoned.to_pylist() == [{"kind": "email", "holders": 2}]


def test_a_model_of_no_refs_can_be_frozen():
    assert freeze_model(table(), version=1, hash_key=b"secret").frequencies == pa.table(
        {"column": [], "term_hash": [], "share": []}, schema=Model.preset(1).frequencies.schema
    )

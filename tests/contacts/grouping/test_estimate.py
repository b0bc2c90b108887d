"""Weights learnt from the refs themselves: better than the preset, never odd, and refused on odd data."""

import hashlib
import math
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.few_sets import NAMES, FewFields, population
from benchmarks.report import agreement
from contacts.grouping.blending import LEAST_STEP, Seen, blend
from contacts.grouping.comparisons import COMPARISONS
from contacts.grouping.engine import group
from contacts.grouping.estimate import Estimate, estimate
from contacts.grouping.model import Model, freeze_model
from contacts.grouping.records import REF_SCHEMA

KEY = b"key of the tests"


def frozen(refs: pa.Table) -> Model:
    return freeze_model(refs, version=1, hash_key=KEY)


def changed(refs: pa.Table, change: Mapping[str, Callable[[dict[str, Any]], Any]]) -> pa.Table:
    """The refs with these fields made from each row."""
    rows = [row | {name: make(row) for name, make in change.items()} for row in refs.to_pylist()]
    return pa.Table.from_pylist(rows, schema=REF_SCHEMA)


def words_of(number: int) -> str:
    """A name that no other number has, nor one like it."""
    digits = hashlib.sha256(str(number).encode()).hexdigest()[:12]
    return digits.translate(str.maketrans("0123456789", "ghijklmnop"))


@pytest.fixture(scope="module")
def few() -> tuple[pa.Table, list[Any]]:
    """2,000 refs with names, a city and some dates only."""
    fields = NAMES | {"city": 0.1, "date_of_birth": 0.2}
    return FewFields("tests", lambda: population(2_000, 4), fields).make()


@pytest.fixture(scope="module")
def learnt(few) -> Estimate:
    refs, _truth = few
    return estimate(refs, model=frozen(refs))


def test_what_is_learnt_from_few_fields_finds_more_people_than_the_preset(few, learnt):
    refs, truth = few

    def f1(model: Model) -> float:
        return agreement(group(refs, model=model).partition["group_id"].to_pylist(), truth).f1

    assert learnt.is_learnt
    assert f1(learnt.model) > f1(frozen(refs)) + 0.1


def test_learnt_weights_are_finite_bounded_and_distinct_in_the_preset_s_order(learnt):
    for comparison, preset in zip(learnt.model.comparisons, COMPARISONS, strict=True):
        weights = [level.weight for level in comparison.levels]
        order = sorted(range(len(weights)), key=lambda at: preset.levels[at].weight)

        assert all(0 < level.u < 1 and 0 < level.m < 1 for level in comparison.levels)
        assert all(math.isfinite(level.household) for level in comparison.levels)
        assert all(weights[b] - weights[a] > LEAST_STEP / 2 for a, b in zip(order, order[1:], strict=False))
        assert all(
            abs(weight - level.weight) < 7 for weight, level in zip(weights, preset.levels, strict=True)
        )


def test_a_learnt_model_survives_being_stored(learnt):
    model = learnt.model

    again = Model.from_json(model.to_json(), frequencies=model.frequencies, bad_keys=model.bad_keys)

    assert [c.levels for c in again.comparisons] == [c.levels for c in model.comparisons]
    assert (again.partners, again.names_suffice, again.join_weight) == (
        model.partners,
        model.names_suffice,
        model.join_weight,
    )


@pytest.mark.parametrize("count", [0, 50, 499])
def test_too_few_refs_keep_the_preset_and_say_so(few, count):
    refs = few[0].slice(0, count)
    model = frozen(refs)

    found = estimate(refs, model=model)

    assert found == Estimate(
        model,
        False,
        f"There are {count} System Refs; 500 are the fewest to learn from. The weights stay as they are.",
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            {
                "first_name": lambda row: "Ann",
                "last_name": lambda row: "Lee",
                "city": lambda row: "Leeds",
                "date_of_birth": lambda row: None,
            },
            "Of 2,000 System Refs only 1 differ from each other.",
        ),
        ({"last_name": lambda row: "Smith"}, "have the same last name."),
        ({"city": lambda row: "Leeds"}, "have the same city."),
        ({"first_name": lambda row: ""}, "Only 0 records have a first name."),
        (
            {
                "city": lambda row: "",
                "date_of_birth": lambda row: None,
                "first_name": lambda row: f"{row['first_name']} {row['ref_id'] % 7}",
            },
            "The records agree too seldom in enough fields to tell who is one person.",
        ),
        (
            {
                "first_name": lambda row: words_of(row["ref_id"]),
                "last_name": lambda row: words_of(-row["ref_id"]),
                "date_of_birth": lambda row: None,
            },
            "The records agree too seldom in enough fields to tell who is one person.",
        ),
    ],
    ids=["all identical", "one surname", "one city", "no first names", "only names", "strangers only"],
)
def test_odd_data_keep_the_preset_and_say_why(few, change, reason):
    refs = changed(few[0], change)
    model = frozen(refs)

    found = estimate(refs, model=model)

    assert (found.is_learnt, found.model) == (False, model)
    assert reason in found.reason
    assert found.reason.endswith(" The weights stay as they are.")


counts = st.floats(min_value=0, max_value=1e6)


@settings(max_examples=150, deadline=None)
@given(data=st.data(), number=st.integers(0, len(COMPARISONS) - 1))
def test_whatever_was_counted_weights_stay_finite_ordered_and_distinct(data, number):
    comparison = COMPARISONS[number]
    levels = len(comparison.levels)
    same = data.draw(st.lists(counts, min_size=levels, max_size=levels))
    strangers = data.draw(st.lists(counts, min_size=levels, max_size=levels))

    rows = blend(comparison, Seen(same, strangers))

    weights = [math.log2(m / u) for m, u, _home in rows]
    order = sorted(range(levels), key=lambda at: comparison.levels[at].weight)
    assert all(0 < m < 1 and 0 < u < 1 and math.isfinite(home) and home > 0 for m, u, home in rows)
    assert all(weights[b] - weights[a] > LEAST_STEP / 2 for a, b in zip(order, order[1:], strict=False))
    assert weights[order[0]] < 0 < weights[order[-1]]


def test_a_level_that_was_hardly_seen_keeps_its_weight():
    birth = next(comparison for comparison in COMPARISONS if comparison.key == "birth")
    same, strangers = [900.0, 0, 0, 0, 0, 100.0], [400.0, 0, 0, 0, 0, 999_600.0]

    rows = blend(birth, Seen(same, strangers))

    assert [round(math.log2(m / u), 3) for m, u, _home in rows[1:5]] == [
        round(level.weight, 3) for level in birth.levels[1:5]
    ]

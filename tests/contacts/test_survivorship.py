"""Golden values: which System Ref's value wins, the same every time."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contacts.survivorship import ADDRESS_FIELDS, Golden, RefValues, golden_values

BEGIN = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def ref(ref_id, *, primary=False, updated=None, rank=100, arrived=0, **values):
    return RefValues(
        ref_id=ref_id,
        is_primary=primary,
        system_rank=rank,
        arrived_at=BEGIN + dt.timedelta(days=arrived),
        created_at=None,
        updated_at=updated and BEGIN + dt.timedelta(days=updated),
        system_ref=str(ref_id),
        last_purchased_at=None,
        spent_total=0,
        values=values,
    )


@pytest.mark.req("R-MDB-12")
def test_the_primary_supplies_a_value_before_any_other():
    a, b = ref(1, primary=True, phone="1"), ref(2, updated=9, phone="2")

    assert golden_values([a, b], {}) == {"phone": Golden("1", 1)}


def test_where_the_primary_is_blank_the_most_recently_updated_supplies_it():
    refs = [ref(1, primary=True, email=""), ref(2, updated=1, email="old"), ref(3, updated=2, email="new")]

    assert golden_values(refs, {}) == {"email": Golden("new", 3)}


@pytest.mark.req("D-8")
def test_the_address_is_one_block_never_mixed_from_two_refs():
    refs = [
        ref(1, primary=True, city="Leeds", postcode="", address1=""),
        ref(2, city="York", postcode="YO1 1AA", address1="1 High St"),
    ]

    assert golden_values(refs, {}) == {"city": Golden("Leeds", 1)}


@pytest.mark.req("D-7")
def test_a_pin_goes_before_the_tiebreakers_while_its_ref_holds_a_value():
    refs = [ref(1, primary=True, phone="1", title="Dr"), ref(2, phone="2", title="")]

    golden = golden_values(refs, {"phone": 2, "title": 2})

    assert golden == {"phone": Golden("2", 2), "title": Golden("Dr", 1)}


_values = st.fixed_dictionaries(
    {
        "phone": st.sampled_from(["", "1", "2"]),
        **{field: st.sampled_from(["", "x", "y"]) for field in ADDRESS_FIELDS},
    }
)
_refs = st.lists(
    st.tuples(_values, st.sampled_from([None, 1, 2]), st.integers(0, 2)), min_size=1, max_size=5
).map(
    lambda rows: [
        ref(number, primary=number == 0, updated=updated, arrived=arrived, **values)
        for number, (values, updated, arrived) in enumerate(rows)
    ]
)


@given(_refs, st.randoms())
def test_the_order_in_which_refs_are_given_never_matters(refs, random):
    shuffled = random.sample(refs, len(refs))

    assert golden_values(shuffled, {}) == golden_values(refs, {})


@given(_refs)
def test_every_golden_value_is_a_filled_value_of_the_ref_it_names(refs):
    by_id = {given.ref_id: given.values for given in refs}

    for field, golden in golden_values(refs, {}).items():
        assert golden.value
        assert by_id[golden.ref_id][field] == golden.value

"""Golden values over many Contacts at once are those that survivorship gives for each."""

import datetime as dt
from unittest import mock

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contacts import survivorship
from contacts.survivorship import ADDRESS_FIELDS, ORDERS, TIEBREAKERS, RefValues, golden_values
from contacts.survivorship_tables import FACT_SCHEMA, MEMBER_SCHEMA, PIN_SCHEMA, golden_table

BEGIN = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
TEXTS = [field for key in TIEBREAKERS for field in (ADDRESS_FIELDS if key == "address" else (key,))]
TEXTS.remove("date_of_birth")
FIELDS = pa.schema([*((name, pa.string()) for name in TEXTS), ("date_of_birth", pa.date32())])

moments = st.none() | st.integers(0, 3).map(lambda step: BEGIN + dt.timedelta(microseconds=step))
values = st.fixed_dictionaries(
    {
        **{name: st.sampled_from(["", "x", "Y", "n/a"]) for name in TEXTS},
        "date_of_birth": st.sampled_from([None, dt.date(1980, 2, 29), dt.date(1970, 1, 1)]),
    }
)
facts = st.tuples(st.integers(0, 2), moments, moments, moments, st.sampled_from([0.0, 0.01, 1e9]), values)
contacts = st.lists(st.lists(facts, min_size=1, max_size=4), min_size=1, max_size=4)


@pytest.mark.req("D-7", "D-8", "R-MDB-12")
@settings(max_examples=60, deadline=None)
@given(
    contacts=contacts,
    leads=st.integers(0, 3),
    pins=st.sets(st.tuples(st.integers(0, 3), st.sampled_from(list(TIEBREAKERS)), st.integers(0, 9))),
    order=st.lists(st.sampled_from(list(ORDERS)), min_size=1, max_size=3, unique=True),
)
def test_many_contacts_at_once_get_what_each_would_get(contacts, leads, pins, order):
    refs: list[RefValues] = []
    members: list[tuple[int, int, bool]] = []
    for contact_id, rows in enumerate(contacts):
        for place, (rank, updated, created, purchased, spent, given_values) in enumerate(rows):
            is_primary = place == leads % len(rows)
            members.append((contact_id, len(refs), is_primary))
            refs.append(
                RefValues(
                    ref_id=len(refs), is_primary=is_primary, system_rank=rank, arrived_at=BEGIN,
                    created_at=created, updated_at=updated, system_ref=str(len(refs)),
                    last_purchased_at=purchased, spent_total=spent, values=given_values,
                )
            )  # fmt: skip
    pinned = {(contact_id, field): ref_id for contact_id, field, ref_id in sorted(pins)}

    with mock.patch.dict(survivorship.TIEBREAKERS, {"phone": order, "address": order[::-1]}):
        table = golden_table(
            _table(MEMBER_SCHEMA, members),
            _refs(refs),
            _table(PIN_SCHEMA, [(*key, ref_id) for key, ref_id in pinned.items()]),
            threads=1,
        )
        one_by_one = [
            golden_values(
                [refs[ref_id] for owner, ref_id, _lead in members if owner == contact_id],
                {field: ref_id for (owner, field), ref_id in pinned.items() if owner == contact_id},
            )
            for contact_id in range(len(contacts))
        ]

    blank = {name: None if name == "date_of_birth" else "" for name in FIELDS.names}
    assert table.to_pylist() == [
        {"contact_id": contact_id, **blank, **{field: golden.value for field, golden in golden.items()}}
        for contact_id, golden in enumerate(one_by_one)
    ]


def test_a_contact_without_a_primary_is_left_to_be_looked_at_alone():
    refs = _refs([])

    table = golden_table(_table(MEMBER_SCHEMA, [(1, 1, False)]), refs, PIN_SCHEMA.empty_table(), threads=1)

    assert table.num_rows == 0


def test_every_tiebreaker_has_its_order():
    assert {rule for rules in TIEBREAKERS.values() for rule in rules} <= set(ORDERS)
    assert {fact for fact, _way in ORDERS.values()} <= {"is_primary", *FACT_SCHEMA.names}


def _refs(refs):
    columns = {"ref_id": [ref.ref_id for ref in refs]}
    for name in ("system_rank", "spent_total"):
        columns[name] = [getattr(ref, name) for ref in refs]
    for name in ("updated_at", "created_at", "last_purchased_at"):
        columns[name] = [_microseconds(getattr(ref, name)) for ref in refs]
    for name in FIELDS.names:
        columns[name] = [ref.values[name] for ref in refs]
    schema = pa.schema([("ref_id", pa.int64()), *FACT_SCHEMA, *FIELDS])
    return pa.table(
        [pa.array(columns[name], kind) for name, kind in zip(schema.names, schema.types, strict=True)],
        schema=schema,
    )


def _microseconds(moment):
    return (
        None
        if moment is None
        else (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)
    )


def _table(schema, rows):
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    return pa.table(
        [pa.array(column, kind) for column, kind in zip(columns, schema.types, strict=True)], schema=schema
    )

"""Columnar reading gives the same table on both databases."""

import datetime as dt

import pyarrow as pa
import pytest

from contacts.columnar import among, moment, read_table
from tests.factories import SystemRefFactory

SCHEMA = pa.schema([("ref_id", pa.int64()), ("name", pa.string()), ("at", pa.int64()), ("born", pa.date32())])


@pytest.mark.django_db
def test_a_table_is_read_with_its_blanks_moments_dates_and_awkward_characters():
    at = dt.datetime(2026, 3, 29, 1, 30, 0, 1200, tzinfo=dt.UTC)
    born = dt.date(1980, 2, 29)
    ann = SystemRefFactory(first_name='Ann "A"\nLee, 50%', created_at=at, date_of_birth=born)
    blank = SystemRefFactory()

    table = read_table(
        f"SELECT id, first_name, {moment('created_at')}, date_of_birth FROM contacts_systemref ORDER BY id",
        SCHEMA,
    )

    microseconds = int(at.timestamp()) * 1_000_000 + 1200
    assert [tuple(row.values()) for row in table.to_pylist()] == [
        (ann.pk, 'Ann "A"\nLee, 50%', microseconds, born),
        (blank.pk, "", None, None),
    ]


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["Null", "NULL", "null", "NA", "n/a", "NaN", ""])
def test_a_name_is_never_taken_for_nothing(name):
    SystemRefFactory(last_name=name)

    table = read_table("SELECT last_name FROM contacts_systemref", pa.schema([("name", pa.string())]))

    assert table["name"].to_pylist() == [name]


@pytest.mark.django_db
def test_the_rows_of_given_ids_are_read_however_many_there_are():
    wanted, _other = SystemRefFactory(), SystemRefFactory()
    schema = pa.schema([("ref_id", pa.int64())])

    def read(numbers):
        condition, params = among("id", numbers)
        return read_table(f"SELECT id FROM contacts_systemref WHERE {condition}", schema, params)

    assert read([wanted.pk, *range(10**7, 10**7 + 40_000)]).to_pylist() == [{"ref_id": wanted.pk}]
    assert read([]).num_rows == 0


@pytest.mark.django_db
def test_no_rows_are_an_empty_table_with_its_columns():
    table = read_table("SELECT id, first_name, id, date_of_birth FROM contacts_systemref", SCHEMA)

    assert table == SCHEMA.empty_table()


@pytest.mark.django_db
def test_a_query_takes_parameters():
    SystemRefFactory(first_name="Bob")
    ann = SystemRefFactory(first_name="Ann")

    table = read_table(
        "SELECT id, first_name, id, date_of_birth FROM contacts_systemref WHERE first_name = %s",
        SCHEMA,
        ["Ann"],
    )

    assert table["ref_id"].to_pylist() == [ann.pk]

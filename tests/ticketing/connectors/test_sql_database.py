"""Databases are read by queries of the customer's: keys, moments, types, and what errors say."""

from contextlib import closing
from datetime import UTC, datetime

import pytest

from tests.ticketing.connectors.contract import ACCOUNTS, changes, emails
from tests.ticketing.connectors.sql_sources import (
    WITH_LOOPBACK,
    PostgresSource,
    SqliteSource,
    postgres_database,
    read_pages,
)
from ticketing.connectors import KINDS
from ticketing.connectors.base import (
    PRIMARY_NAME,
    ChangedSchema,
    DataSet,
    Setup,
    SourceError,
)
from ticketing.connectors.sql_sessions import window


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT number, emial FROM customer", "emial"),
        ("SELECT number FROM customers", "customers"),
        ("SELECT number FROM FROM customer", "syntax error"),
        ("SELECT email FROM customer", "has no column number"),
    ],
)
def test_a_query_that_does_not_fit_is_told_with_what_it_names(source, query, said):
    source.put("A1", "secret-person@example.com")

    with pytest.raises(ChangedSchema) as error:
        read_pages(source, accounts_query=query)

    assert said in str(error.value)
    assert "accounts query" in str(error.value)
    assert error.value.advice
    assert "secret-person" not in str(error.value)


def test_a_value_that_cannot_be_read_is_not_repeated_in_the_error(source):
    source.put("A1", "secret-person@example.com")
    query = "SELECT number, CAST(email AS integer) AS x FROM customer WHERE abs(CAST(email AS integer)) >= 0"
    if isinstance(source, SqliteSource):
        query = "SELECT number, json_extract(email, '$') AS x FROM customer"

    with pytest.raises(SourceError) as error:
        read_pages(source, accounts_query=query)

    assert "secret-person" not in f"{error.value}{error.value.advice}"


def test_a_number_that_cannot_be_one_is_no_account(source):
    source.put("A1", "x")
    connector = source.open(accounts_query="SELECT 1 AS number")

    assert connector.read_account("not a number") is None
    assert connector.read_account("1").values == {"number": "1"}
    connector.close()


def test_a_number_beyond_all_numbers_is_a_text(tmp_path):
    source = SqliteSource(tmp_path)
    source.put("A1", "x")
    source.put(str(2**63), "y")
    connector = source.open()

    assert connector.read_account(str(2**64)) is None
    assert connector.read_account(str(2**63)).values["email"] == "y"
    connector.close()


@pytest.mark.postgres
def test_a_database_without_an_encoding_is_read_where_its_texts_are_utf8():
    with postgres_database(encoding="SQL_ASCII") as url, closing(PostgresSource(url)) as source:
        source.run("SET client_encoding TO 'UTF8'")
        source.put("A1", "jürgen@example.com")

        (page,) = read_pages(source)
        assert page.rows[0][:2] == ("A1", "jürgen@example.com")

        source.run("SET client_encoding TO 'SQL_ASCII'")
        source.run("INSERT INTO customer (number, email, changed_at) VALUES ('A2', E'\\xff', now())")
        with pytest.raises(ChangedSchema, match="not UTF-8"):
            read_pages(source)


@pytest.mark.parametrize(
    ("written", "comes"),
    [
        ("2026-01-31 12:00:00", True), ("2026-01-31 11:59:59", False), ("2026-01-31T12:00:00", True),
        ("2026-01-31T12:00:00Z", True), ("2026-01-31 12:00:00.5", True), ("2026-01-30T23:59:59", False),
        ("2026-01-31T08:00:00", True),  # too much, and never too little
    ],
)  # fmt: skip
def test_moments_in_sqlite_are_compared_as_text_and_none_is_missed(tmp_path, written, comes):
    source = SqliteSource(tmp_path)
    source.run("INSERT INTO customer VALUES ('A1', 'x', ?, NULL)", written)

    assert bool(changes(source, since="2026-01-31T12:00:00+00:00")) is comes


@pytest.mark.postgres
def test_moments_without_an_offset_are_read_in_the_connections_time_zone(postgres):
    postgres.run("ALTER TABLE customer ALTER changed_at TYPE timestamp")
    postgres.run(
        "INSERT INTO customer VALUES "
        "('A1', 'x', '2026-07-01 14:30', NULL), ('A2', 'y', '2026-07-01 13:30', NULL)"
    )
    setup = Setup(
        {
            "url": postgres.url,
            "accounts_query": "SELECT number AS system_ref FROM customer WHERE changed_at >= :since",
        },
        time_zone="Europe/Berlin",  # 14:00 there is 12:00 UTC
        safety=WITH_LOOPBACK,
    )
    connector = KINDS["sql_database"].open(setup)

    pages = list(connector.changed(ACCOUNTS, since="2026-07-01T12:00:00+00:00", resume="", overlap=0))
    connector.close()

    assert [page.rows for page in pages] == [[("A1",)]]


@pytest.mark.parametrize(
    ("cursor", "shown"),
    [
        ("", "1900-01-01 00:00:00"),
        ("2026-07-01T12:00:00+00:00", "2026-07-01 13:55:00"),
        # Clocks go back from 03:00 to 02:00 at 01:00 UTC: what is written next may say 02:00 again.
        ("2026-10-25T00:35:00+00:00", "2026-10-25 01:30:00"),
        ("2026-10-25T02:00:00+00:00", "2026-10-25 02:55:00"),
    ],
)
def test_a_window_in_local_time_opens_early_where_clocks_go_back(cursor, shown):
    assert window(cursor, overlap=300, dialect="sqlite", time_zone="Europe/Berlin").value == shown


def test_the_cursor_is_the_sources_own_time_in_utc(source):
    connector = source.open()
    cursor = datetime.fromisoformat(connector.cursor(ACCOUNTS))
    connector.close()

    assert cursor.utcoffset().total_seconds() == 0
    assert abs((cursor - datetime.now(UTC)).total_seconds()) < 60


@pytest.mark.parametrize(
    ("merged_into", "told"), [("'    '", ""), ("'A2  '", "A2"), ("number || ' '", ""), ("NULL", "")]
)
def test_only_another_number_is_one_merged_into(source, merged_into, told):
    source.put("A1", "x")
    connector = source.open(numbers_query=f"SELECT number, {merged_into} AS into_number FROM customer")

    assert [listed.merged_into for part in connector.account_numbers() for listed in part] == [told]
    connector.close()


def test_names_and_purchases_have_queries_and_keys_of_their_own(source):
    source.put("A1", "x")
    purchases = (
        "SELECT 'P2' AS purchase_id, number AS system_ref FROM customer "
        "UNION ALL SELECT 'P1', number FROM customer"
    )
    names = "SELECT number AS system_ref, 'Ann' AS first_name FROM customer"
    options = {"purchases_query": purchases, "names_query": names}
    connector = source.open(**options)

    assert connector.capabilities.data_sets == set(DataSet)
    assert connector.capabilities.finds_changes == {ACCOUNTS}
    connector.close()
    assert [page.rows for page in read_pages(source, data_set=DataSet.PURCHASES, **options)] == [
        [("P1", "A1"), ("P2", "A1")]
    ]
    assert [page.rows for page in read_pages(source, data_set=DataSet.NAMES, **options)] == [[("A1", "Ann")]]


@pytest.mark.parametrize("says", ["Y", "1 ", "main"])
@pytest.mark.parametrize("column", ["lead", PRIMARY_NAME])
def test_of_several_people_the_primary_one_is_read(source, says, column):
    source.put("A1", "x")
    query = (
        f"SELECT number AS system_ref, n AS person, CASE n WHEN 2 THEN '{says}' ELSE 'N' END AS {column} "
        "FROM customer, (SELECT 1 AS n UNION SELECT 2 UNION SELECT 3) s"
    )
    setup = Setup(
        {"url": source.url, "accounts_query": query},
        columns={ACCOUNTS: {PRIMARY_NAME: "lead"} if column == "lead" else {}},
        safety=source.safety(),
    )
    connector = KINDS["sql_database"].open(setup)

    assert connector.read_account("A1").values["person"] == "2"
    connector.close()


@pytest.mark.postgres
def test_a_download_sees_one_state_of_the_source(postgres, monkeypatch):
    monkeypatch.setattr("ticketing.connectors.sql_database.ROWS_A_PAGE", 3)
    for number in range(9):
        postgres.put(f"A{number}", "before")
    connector = postgres.open()
    pages = connector.changed(ACCOUNTS, since="", resume="", overlap=0)
    first = next(pages)
    postgres.run("UPDATE customer SET email = 'after'")

    read = emails(postgres, [first, *pages])
    connector.close()

    assert set(read.values()) == {"before"}


@pytest.mark.postgres
def test_values_that_only_postgresql_knows_are_read_and_judged_later(postgres):
    query = (
        "SELECT 'A1' AS number, timestamptz 'infinity' AS a, date '0044-03-15 BC' AS b, "
        "numeric '12.50' AS c, timestamp '2026-01-31 18:30:00.5' AS d, json '{\"x\": 1}' AS e, "
        "interval '1 day' AS f, true AS g, "
        "ARRAY['x', 'y'] AS h, timestamptz '2026-01-31 18:30+01' AS i"
    )

    (page,) = read_pages(postgres, accounts_query=query)

    assert page.rows == [
        (
            "A1", "infinity", "0044-03-15 BC", "12.50", "2026-01-31 18:30:00.5", '{"x": 1}', "1 day", "true",
            '["x", "y"]', "2026-01-31 17:30:00+00",
        )
    ]  # fmt: skip

"""Pages of a database: how large they are, where they resume, and how reading is left off."""

import json

import pytest

from tests.ticketing.connectors.contract import ACCOUNTS, changes, emails
from tests.ticketing.connectors.sql_sources import (
    SqliteSource,
    read_pages,
)
from ticketing.connectors import KINDS
from ticketing.connectors.base import (
    Setup,
    TooMuch,
    Unreachable,
)


def test_rows_of_the_key_that_a_page_ends_in_are_all_read(source, monkeypatch):
    monkeypatch.setattr("ticketing.connectors.sql_database.ROWS_A_PAGE", 3)
    for number in range(1, 6):
        source.put(f"A{number}", "x")
    four = "(SELECT 1 AS n UNION SELECT 2 UNION SELECT 3 UNION SELECT 4) s"
    query = f"SELECT number, email, n FROM customer CROSS JOIN {four}"
    pages = read_pages(source, accounts_query=query)
    everything = {(f"A{number}", str(n)) for number in range(1, 6) for n in range(1, 5)}

    for page in pages:
        connector = source.open(accounts_query=query)
        rest = connector.changed(ACCOUNTS, since="", resume=page.resume, overlap=0)
        before = {(row[0], row[2]) for one in pages[: pages.index(page) + 1] for row in one.rows}
        assert before | {(row[0], row[2]) for one in rest for row in one.rows} == everything
        connector.close()


@pytest.mark.parametrize(
    ("column", "names"), [("updated_at", {}), ("changed_at", {"updated_at": "changed_at"})]
)
def test_of_rows_with_one_key_the_newest_comes_last(source, column, names):
    query = (
        f"SELECT 'A1' AS number, 'new' AS email, '2026-02-01' AS {column} "
        "UNION ALL SELECT 'A1', 'old', '2026-01-01' UNION ALL SELECT 'A1', 'undated', NULL"
    )
    setup = Setup(
        {"url": source.url, "accounts_query": query},
        columns={ACCOUNTS: {"system_ref": "number"} | names},
        safety=source.safety(),
    )
    connector = KINDS["sql_database"].open(setup)

    (page,) = connector.changed(ACCOUNTS, since="", resume="", overlap=0)
    connector.close()

    assert [row[1] for row in page.rows] == ["undated", "old", "new"]


def test_rows_without_a_key_are_not_lost_on_resuming(source, monkeypatch):
    monkeypatch.setattr("ticketing.connectors.sql_database.ROWS_A_PAGE", 2)
    for number in range(1, 6):
        source.put(f"A{number}", "x")
    query = (
        "SELECT CASE WHEN number < 'A3' THEN number END AS system_ref, number AS all_numbers FROM customer"
    )
    pages = read_pages(source, accounts_query=query, key_column="system_ref")

    for page in pages:
        connector = source.open(accounts_query=query, key_column="system_ref")
        rest = list(connector.changed(ACCOUNTS, since="", resume=page.resume, overlap=0))
        connector.close()
        read = [*pages[: pages.index(page) + 1], *rest]
        assert {row[1] for one in read for row in one.rows} == {f"A{number}" for number in range(1, 6)}


@pytest.mark.parametrize("key", ["n", "CAST(n AS text)", "n * 1.5"])
def test_keys_of_any_type_resume_where_they_were(source, monkeypatch, key):
    monkeypatch.setattr("ticketing.connectors.sql_database.ROWS_A_PAGE", 4)
    numbers = "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 12) "
    query = f"{numbers}SELECT {key} AS number, n FROM s"
    pages = read_pages(source, accounts_query=query)

    assert [len(page.rows) for page in pages] == [4, 4, 4]
    for page in pages:
        connector = source.open(accounts_query=query)
        rest = [
            row
            for one in connector.changed(ACCOUNTS, since="", resume=page.resume, overlap=0)
            for row in one.rows
        ]
        account = connector.read_account(page.rows[0][0])
        connector.close()
        read = [row for one in pages[: pages.index(page) + 1] for row in one.rows]
        assert rest == [read[-1], *[row for one in pages[pages.index(page) + 1 :] for row in one.rows]]
        assert account.values["n"] == page.rows[0][1]


@pytest.mark.postgres
@pytest.mark.parametrize(
    "key", ["decode(lpad(to_hex(n + 250), 4, '0'), 'hex')", "ARRAY[n]", "int4range(n, 99)", "chr(31) || n"]
)
def test_no_row_is_lost_by_a_key_that_cannot_be_given_back(postgres, monkeypatch, key):
    monkeypatch.setattr("ticketing.connectors.sql_database.ROWS_A_PAGE", 2)
    query = f"SELECT {key} AS number, n FROM generate_series(1, 7) n"

    _assert_resumes_after_each_page(postgres, query, everything={str(n) for n in range(1, 8)})


@pytest.mark.parametrize("key", ["CAST(x'41ff' || n AS text)", "CAST('A' || n AS blob)"])
def test_no_row_is_lost_by_a_key_that_is_no_text(tmp_path, monkeypatch, key):
    monkeypatch.setattr("ticketing.connectors.sql_database.ROWS_A_PAGE", 2)
    numbers = "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 7) "
    query = f"{numbers}SELECT CASE WHEN n > 2 THEN {key} ELSE '' || n END AS number, n FROM s"

    _assert_resumes_after_each_page(SqliteSource(tmp_path), query, everything={str(n) for n in range(1, 8)})


def _assert_resumes_after_each_page(source, query, *, everything):
    pages = read_pages(source, accounts_query=query)
    for at, page in enumerate(pages):
        connector = source.open(accounts_query=query)
        rest = list(connector.changed(ACCOUNTS, since="", resume=page.resume, overlap=0))
        connector.close()
        assert {row[1] for one in [*pages[: at + 1], *rest] for row in one.rows} == everything


def test_long_rows_come_in_smaller_pages(source, monkeypatch):
    monkeypatch.setattr("ticketing.connectors.sql_portions.PORTION_BYTES", 1000)
    monkeypatch.setattr("ticketing.connectors.sql_portions._FIRST_ROWS", 1)
    for number in range(1, 20):
        source.put(f"A{number:02}", "x" * (400 if number > 4 else 1))

    pages = read_pages(source)

    assert [row[0] for page in pages for row in page.rows] == [f"A{number:02}" for number in range(1, 20)]
    assert max(sum(len(row[1]) for row in page.rows) for page in pages) <= 2000
    assert len(pages) > 2


@pytest.mark.parametrize(
    "read",
    [
        lambda connector: list(connector.changed(ACCOUNTS, since="", resume="", overlap=0)),
        lambda connector: connector.sample(ACCOUNTS, rows=5),
        lambda connector: connector.read_account("A1"),
    ],
)
def test_a_single_row_beyond_the_most_bytes_is_refused(source, read):
    source.put("A1", "x" * 5000)
    connector = source.open(safety=source.safety(most_bytes=4096))

    with pytest.raises(TooMuch, match="A row of the accounts query"):
        read(connector)
    connector.close()


def test_the_first_load_says_how_many_rows_are_to_be_expected(source):
    for number in range(3):
        source.put(f"A{number}", "x")

    assert [page.expected for page in read_pages(source)] == [3]
    assert [page.expected for page in read_pages(source, since="2020-01-01T00:00:00+00:00")] == [None]


@pytest.mark.parametrize(
    "read",
    [
        lambda connector: connector.changed(ACCOUNTS, since="", resume="", overlap=0),
        lambda connector: connector.account_numbers(),
    ],
)
@pytest.mark.parametrize("closed_first", ["pages", "connector"])
def test_reading_can_be_left_off_at_any_page_and_nothing_is_logged(
    source, monkeypatch, caplog, read, closed_first
):
    monkeypatch.setattr("ticketing.connectors.sql_database.ROWS_A_PAGE", 2)
    for number in range(5):
        source.put(f"A{number}", "x")
    connector = source.open()
    pages = read(connector)
    next(pages)

    for one in (pages, connector) if closed_first == "pages" else (connector, pages):
        one.close()

    assert caplog.text == ""


@pytest.mark.postgres
def test_a_connection_dropped_in_the_middle_is_unreachable_and_goes_on_with_a_new_one(postgres, monkeypatch):
    monkeypatch.setattr("ticketing.connectors.sql_database.ROWS_A_PAGE", 3)
    for number in range(9):
        postgres.put(f"A{number}", "x")
    connector = postgres.open()
    pages = connector.changed(ACCOUNTS, since="", resume="", overlap=0)
    first = next(pages)
    postgres.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'kore'")

    with pytest.raises(Unreachable):
        list(pages)
    rest = changes(postgres, resume=first.resume)
    connector.close()

    assert set(emails(postgres, [first])) | set(rest) == {f"A{number}" for number in range(9)}


def test_a_resume_remembers_how_many_rows_were_read(source, monkeypatch):
    monkeypatch.setattr("ticketing.connectors.sql_database.ROWS_A_PAGE", 2)
    for number in range(6):
        source.put(f"A{number}", "x")
    first = read_pages(source)[0]
    connector = source.open(safety=source.safety(most_rows=6))

    assert json.loads(first.resume)["rows"] == 2
    with pytest.raises(TooMuch):  # six rows and the one that comes twice: the limit counts what is read
        list(connector.changed(ACCOUNTS, since="", resume=first.resume, overlap=0))
    connector.close()

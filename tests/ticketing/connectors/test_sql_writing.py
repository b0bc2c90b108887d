"""Accounts are written by one UPDATE, exactly one at a time, under a credential of its own."""

import threading

import psycopg
import pytest

from tests.ticketing.connectors.contract import changes
from tests.ticketing.connectors.sql_sources import WRITE_EMAIL, SqliteSource
from ticketing.connectors import KINDS
from ticketing.connectors.base import (
    CannotWrite,
    Conflict,
    NotAllowed,
    Safety,
    Setup,
)


def test_the_version_may_be_a_column(source):
    source.put("A1", "x", ago=60)
    options = {
        "version_column": "email",
        "write_statement": f"{WRITE_EMAIL} AND email = :version",
    }
    connector = source.open(**options)

    assert connector.read_account("A1").version == "x"
    assert connector.write_account("A1", {"email": "y"}, version="x").version == "y"
    with pytest.raises(Conflict):
        connector.write_account("A1", {"email": "z"}, version="x")
    connector.close()


def test_what_is_not_being_changed_keeps_its_value_and_a_blank_is_null(source):
    source.run("INSERT INTO customer VALUES ('A1', 'one@example.com', '2026-01-01', NULL)")
    write = "UPDATE customer SET email = :email, merged_into = :phone WHERE number = :system_ref"
    query = "SELECT number, email, merged_into AS phone FROM customer"
    connector = source.open(write_statement=write, accounts_query=query)
    first = connector.read_account("A1")
    second = connector.write_account("A1", {"phone": "123"}, version=first.version)

    third = connector.write_account("A1", {"email": ""}, version=second.version)
    connector.close()

    assert dict(third.values) == {"number": "A1", "email": "", "phone": "123"}
    assert source.run("SELECT email FROM customer") == [(None,)]


@pytest.mark.parametrize(
    ("statement", "values"),
    [
        ("UPDATE customer SET email = :email WHERE number >= :system_ref", {"email": "new"}),
        ("UPDATE customer SET email = :email WHERE number = :system_ref", {"phone": "1"}),
        ("UPDATE customer SET email = :unheard_of WHERE number = :system_ref", {}),
        ("UPDATE customer SET number = NULL, email = :email WHERE number = :system_ref", {"email": "new"}),
    ],
    ids=["two rows", "field not written", "nothing for a parameter", "constraint"],
)
def test_a_write_that_is_not_exactly_right_writes_nothing(source, statement, values):
    if isinstance(source, SqliteSource):  # whose primary keys may be NULL unless told otherwise
        source.run("DROP TABLE customer")
        source.run(
            "CREATE TABLE customer "
            "(number TEXT PRIMARY KEY NOT NULL, email TEXT, changed_at TEXT, merged_into TEXT)"
        )
    source.put("A1", "one@example.com", ago=60)
    source.put("A2", "two@example.com", ago=60)
    connector = source.open(write_statement=statement)
    version = connector.read_account("A1").version

    with pytest.raises(CannotWrite) as refusal:
        connector.write_account("A1", values, version=version)
    connector.close()

    assert refusal.value.advice
    assert changes(source) == {"A1": "one@example.com", "A2": "two@example.com"}


def test_two_writers_at_once_one_of_them_is_refused(source):
    source.put("A1", "one@example.com", ago=60)
    ours, theirs = source.open(), source.open()
    version = ours.read_account("A1").version

    theirs.write_account("A1", {"email": "theirs@example.com"}, version=version)
    with pytest.raises(Conflict):
        ours.write_account("A1", {"email": "ours@example.com"}, version=version)
    ours.close()
    theirs.close()

    assert changes(source) == {"A1": "theirs@example.com"}


def test_the_credential_for_writing_has_to_lead_to_the_same_database(source, tmp_path):
    source.put("A1", "one@example.com")
    other = tmp_path / "other"
    other.mkdir()
    elsewhere = SqliteSource(other).url
    setup = Setup(
        {
            "url": source.url,
            "accounts_query": "SELECT number AS system_ref, email FROM customer",
            "write_statement": "UPDATE customer SET email = :email WHERE number = :system_ref",
        },
        {"write_url": elsewhere},
        safety=Safety(allow_loopback=True, file_roots=(tmp_path,)),
    )
    connector = KINDS["sql_database"].open(setup)

    with pytest.raises(NotAllowed, match="another database"):
        connector.write_account("A1", {"email": "x"}, version=connector.read_account("A1").version)
    findings = connector.check()
    connector.close()

    assert [(finding.what, finding.is_good) for finding in findings][-1] == ("Writing back", False)


@pytest.mark.postgres
def test_a_writer_that_waited_for_another_ones_row_is_refused(postgres):
    postgres.put("A1", "one@example.com", ago=60)
    connector = postgres.open()
    version = connector.read_account("A1").version
    outcome = []

    def write():
        try:
            connector.write_account("A1", {"email": "ours@example.com"}, version=version)
        except Conflict as refusal:
            outcome.append(refusal)

    with psycopg.connect(postgres.url) as theirs:
        theirs.execute("UPDATE customer SET email = 'theirs@example.com'")
        ours = threading.Thread(target=write)
        ours.start()
        while not postgres.run("SELECT 1 FROM pg_locks WHERE NOT granted"):
            assert ours.is_alive()
    ours.join()
    connector.close()

    assert [type(refusal) for refusal in outcome] == [Conflict]
    assert changes(postgres) == {"A1": "theirs@example.com"}


def test_a_write_that_would_change_another_field_is_refused_and_says_which(source):
    source.run("INSERT INTO customer VALUES ('A1', 'one@example.com', '2026-01-01', NULL)")
    # What the query gives as the phone is made up of another column.
    query = "SELECT number, email, COALESCE(merged_into, '7') || '0' AS phone FROM customer"
    write = "UPDATE customer SET email = :email, merged_into = :phone WHERE number = :system_ref"
    connector = source.open(write_statement=write, accounts_query=query)
    version = connector.read_account("A1").version

    with pytest.raises(CannotWrite, match="would change phone too"):
        connector.write_account("A1", {"email": "new@example.com"}, version=version)
    connector.close()

    assert source.run("SELECT email, merged_into FROM customer") == [("one@example.com", None)]


def test_a_column_that_takes_no_blank_is_named(source):
    source.run("DROP TABLE customer")
    source.run("CREATE TABLE customer (number TEXT PRIMARY KEY, email TEXT, city TEXT NOT NULL DEFAULT '')")
    source.run("INSERT INTO customer VALUES ('A1', 'one@example.com', '')")
    connector = source.open(
        write_statement="UPDATE customer SET email = :email, city = :city WHERE number = :system_ref",
        accounts_query="SELECT number, email, city FROM customer",
    )
    version = connector.read_account("A1").version

    with pytest.raises(CannotWrite, match="does not take a blank in city") as refusal:
        connector.write_account("A1", {"email": "new@example.com"}, version=version)
    connector.close()

    assert "COALESCE" in refusal.value.advice
    assert source.run("SELECT email FROM customer") == [("one@example.com",)]

"""Databases are never written by a query, never reached by a detour, and never our own."""

import os
import sqlite3
from contextlib import closing

import psycopg
import pytest
from django.db import connection

from tests.ticketing.connectors.contract import ACCOUNTS
from tests.ticketing.connectors.silent_proxy import silent_proxy
from tests.ticketing.connectors.sql_sources import (
    WITH_LOOPBACK,
    SqliteSource,
    is_superuser,
    login_of_the_suite,
    read_pages,
)
from ticketing.connectors import KINDS
from ticketing.connectors.base import (
    ChangedSchema,
    LoginRefused,
    NotAllowed,
    Safety,
    Setup,
    SourceError,
    TooMuch,
    Unreachable,
)
from ticketing.connectors.sql_sessions import read_address, to_checked_ip
from ticketing.services.own_database import is_own_database


@pytest.mark.parametrize(
    "query",
    [
        "SELECT number, email FROM customer; DELETE FROM customer",
        "DELETE FROM customer RETURNING number, email",
        "WITH gone AS (DELETE FROM customer RETURNING *) SELECT number, email FROM gone",
        "SELECT number, email FROM customer) q; DELETE FROM customer; SELECT * FROM (SELECT 1",
        "SELECT number, email INTO other FROM customer",
    ],
)
def test_a_query_that_would_write_changes_nothing(source, query):
    source.put("A1", "one@example.com")

    with pytest.raises(SourceError):
        read_pages(source, accounts_query=query)

    assert source.run("SELECT number FROM customer") == [("A1",)]


@pytest.mark.postgres
@pytest.mark.parametrize(
    "attempt",
    [
        "nextval('counter')",
        "write_one()",
        "set_config('transaction_read_only', 'off', false) || write_one()",
        "set_config('default_transaction_read_only', 'off', false) || write_one()",
    ],
)
def test_a_function_that_writes_is_refused_by_the_session(postgres, attempt):
    postgres.run("CREATE SEQUENCE IF NOT EXISTS counter")
    postgres.run(
        "CREATE OR REPLACE FUNCTION write_one() RETURNS text LANGUAGE sql AS "
        "$$INSERT INTO customer (number) VALUES ('evil') RETURNING number$$"
    )
    postgres.put("A1", "one@example.com")
    query = f"SELECT number, email, {attempt} AS x FROM customer WHERE changed_at >= :since"
    connector = postgres.open(accounts_query=query)

    for _ in range(2):  # what one attempt set must not help the next
        with pytest.raises(SourceError):
            list(connector.changed(ACCOUNTS, since="", resume="", overlap=0))
    connector.close()

    assert postgres.run("SELECT number FROM customer") == [("A1",)]


def test_a_query_that_takes_too_long_is_ended(source):
    endless = (
        "WITH RECURSIVE n(number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM n) "
        "SELECT max(number) AS number FROM n"
    )
    connector = source.open(safety=source.safety(statement_seconds=1), accounts_query=endless)

    with pytest.raises(TooMuch, match="takes longer") as error:
        list(connector.changed(ACCOUNTS, since="2026-01-01T00:00:00+00:00", resume="", overlap=0))
    connector.close()

    assert "index" in error.value.advice


@pytest.mark.postgres
@pytest.mark.parametrize("step", ["query", "page"])
def test_a_server_that_falls_silent_in_the_middle_of_an_answer_is_unreachable(postgres, monkeypatch, step):
    monkeypatch.setattr("ticketing.connectors.sql_sessions._GRACE", 0)
    monkeypatch.setattr("ticketing.connectors.sql_database.ROWS_A_PAGE", 3)
    for number in range(9):
        postgres.put(f"A{number}", "x")
    url = read_address(postgres.url, password="", safety=WITH_LOOPBACK)
    with silent_proxy(url.host, url.port) as proxy:
        through = url.set(port=proxy.port).render_as_string(hide_password=False)
        connector = postgres.open(url=through, safety=postgres.safety(statement_seconds=1))
        pages = connector.changed(ACCOUNTS, since="", resume="", overlap=0)
        assert next(pages).rows if step == "page" else connector.cursor(ACCOUNTS)
        proxy.fall_silent(after=10)

        with pytest.raises(Unreachable) as error:
            list(pages)
        connector.close()

    assert "accounts query" in str(error.value)


def test_the_session_is_proven_to_only_read(source):
    source.put("A1", "x")
    connector = source.open()

    findings = {finding.what: finding for finding in connector.check()}
    connector.close()

    assert findings["Read-only session"].said == "The session refuses to write."
    assert source.run("SELECT count(*) FROM customer") == [(1,)]


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("revoked", "said"),
    [("TRUNCATE", "may write: 1."), ("INSERT, UPDATE, DELETE, TRUNCATE", "may write no table")],
)
def test_a_user_with_more_rights_than_it_needs_is_told(postgres, revoked, said):
    postgres.run("DROP TABLE IF EXISTS locked")
    postgres.run(f"REVOKE {revoked} ON customer FROM CURRENT_USER")
    connector = postgres.open(writes=False)

    (finding,) = [finding for finding in connector.check() if finding.what == "Least rights"]
    connector.close()

    assert finding.is_good
    assert said in finding.said
    assert bool(finding.advice) is ("no table" not in said)


@pytest.mark.postgres
def test_a_superuser_is_warned_of_and_hinders_no_pull(postgres):
    address = f"postgresql://{login_of_the_suite()}/postgres"
    with psycopg.connect(address) as admin:
        if not is_superuser(admin):
            pytest.skip("the suite's user is no superuser")
    connector = postgres.open(url=address, writes=False, accounts_query="SELECT 1 AS number")

    (finding,) = [finding for finding in connector.check() if finding.what == "Least rights"]
    connector.close()

    assert finding.is_good
    assert "everything" in finding.said
    assert "SELECT" in finding.advice


def test_the_own_database_is_recognised_by_its_fingerprint(source):
    seen = []
    connector = source.open(safety=source.safety(is_own_database=lambda found: bool(seen.append(found))))
    connector.cursor(ACCOUNTS)
    connector.close()

    (fingerprint,) = set(seen)
    again = source.open(safety=source.safety(is_own_database=lambda found: found == fingerprint))
    findings = again.check()
    with pytest.raises(NotAllowed, match="Kore itself"):
        again.cursor(ACCOUNTS)
    again.close()

    assert [finding.is_good for finding in findings] == [False]


def test_a_file_is_its_own_under_any_name(tmp_path):
    source = SqliteSource(tmp_path)
    seen = []
    os.link(source.path, tmp_path / "linked.sqlite3")
    (tmp_path / "soft.sqlite3").symlink_to(source.path)
    for name in ("source.sqlite3", "linked.sqlite3", "soft.sqlite3"):
        source.url = f"sqlite:///{tmp_path}/./{name}"
        connector = source.open(safety=source.safety(is_own_database=lambda found: bool(seen.append(found))))
        connector.cursor(ACCOUNTS)
        connector.close()

    assert len(set(seen)) == 1


@pytest.mark.parametrize(
    "place",
    [
        "/etc/hosts",
        "/work/../etc/hosts",
        "{root}/../outside.sqlite3",
        "{root}/link.sqlite3",
        ":memory:",
        "",
        "{root}",
    ],
)
def test_no_file_outside_the_folders_is_opened(tmp_path, place):
    root = tmp_path / "root"
    root.mkdir()
    with closing(sqlite3.connect(tmp_path / "outside.sqlite3")) as database:
        database.execute("CREATE TABLE t (x)")
    (root / "link.sqlite3").symlink_to(tmp_path / "outside.sqlite3")
    safety = Safety(allow_loopback=True, file_roots=(root,))

    with pytest.raises((NotAllowed, Unreachable)):
        read_address(f"sqlite:///{place.format(root=root)}", password="", safety=safety)


def test_without_the_setting_no_file_is_opened(tmp_path):
    source = SqliteSource(tmp_path)

    with pytest.raises(NotAllowed, match="Files of this machine"):
        source.open(safety=Safety(file_roots=(tmp_path,)))


@pytest.mark.parametrize(
    "url",
    [
        "nonsense", "", "postgresql://", "postgresql:///database", "postgresql://u@/database",
        "postgresql://host",
        "postgresql://u@93.184.216.34/db?host=127.0.0.1",
        "postgresql://u@93.184.216.34/db?hostaddr=127.0.0.1",
        "postgresql://u@93.184.216.34/db?service=x", "postgresql://u@93.184.216.34/db?passfile=/etc/passwd",
        "postgresql://u@93.184.216.34/db?sslmode=disable", "postgresql://u@93.184.216.34/db?options=-cx%3Dy",
        "postgresql://u@93.184.216.34/db?sslrootcert=/etc/passwd",
        "mysql://u@93.184.216.34/db?unix_socket=/x",
        "mssql://u@93.184.216.34/db?odbc_connect=x", "mysql://u@93.184.216.34/db?local_infile=1",
        "duckdb:////tmp/x", "sqlite+aiosqlite:///x?mode=rw", "http://93.184.216.34/db",
    ],
)  # fmt: skip
def test_an_address_that_leads_elsewhere_is_refused(url):
    with pytest.raises(NotAllowed):
        read_address(url, password="", safety=WITH_LOOPBACK)


@pytest.mark.parametrize("url", ["postgresql://u:p4ss@127.0.0.1/db", "postgres://u:p4ss@169.254.169.254/db"])
def test_a_host_that_may_not_be_reached_is_not_spoken_to(url):
    connector = KINDS["sql_database"].open(
        Setup({"url": url, "accounts_query": "SELECT 1 AS system_ref"}, safety=Safety())
    )

    with pytest.raises(NotAllowed) as refusal:
        connector.cursor(ACCOUNTS)
    connector.close()

    assert "p4ss" not in str(refusal.value)


@pytest.mark.parametrize(
    "url", ["mysql://u:p4ss@127.0.0.1/db", "mssql://u:p4ss@127.0.0.1/db", "oracle://u:p4ss@127.0.0.1/db"]
)
def test_a_driver_that_is_not_installed_is_named(url):
    with pytest.raises(SourceError, match="is not installed") as error:
        KINDS["sql_database"].open(
            Setup({"url": url, "accounts_query": "SELECT 1 AS system_ref"}, safety=WITH_LOOPBACK)
        )

    assert "pip install" in error.value.advice


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"password": "wr0ng"}, LoginRefused), ({"username": "nobody_there"}, LoginRefused),
        ({"database": "nothing_there"}, ChangedSchema), ({"port": 1}, Unreachable),
    ],
)  # fmt: skip
def test_a_login_that_fails_says_why_and_never_the_password(postgres, change, error):
    url = read_address(postgres.url, password="", safety=WITH_LOOPBACK).set(**change)
    shown = url.render_as_string(hide_password=False).replace("+psycopg", "")
    connector = KINDS["sql_database"].open(
        Setup({"url": shown, "accounts_query": "SELECT 1 AS system_ref"}, safety=WITH_LOOPBACK)
    )

    with pytest.raises(error) as caught:
        connector.cursor(ACCOUNTS)
    (finding,) = connector.check()
    connector.close()

    assert caught.value.advice
    assert not finding.is_good
    assert "wr0ng" not in f"{caught.value}{caught.value.advice}{finding.said}"


@pytest.mark.postgres
def test_the_secret_goes_before_a_password_in_the_address(postgres):
    url = read_address(postgres.url, password="", safety=WITH_LOOPBACK)
    setup = Setup(
        {
            "url": url.set(password="wr0ng").render_as_string(hide_password=False),
            "accounts_query": "SELECT 1 AS system_ref",
        },
        {"password": str(url.password)},
        safety=WITH_LOOPBACK,
    )
    connector = KINDS["sql_database"].open(setup)

    assert connector.cursor(ACCOUNTS)
    connector.close()


@pytest.mark.postgres
def test_a_user_without_the_right_to_read_is_told_so(postgres):
    postgres.run("CREATE TABLE IF NOT EXISTS locked (number text)")
    postgres.run("REVOKE ALL ON locked FROM CURRENT_USER")

    with pytest.raises(LoginRefused):
        read_pages(postgres, accounts_query="SELECT number FROM locked")


@pytest.mark.parametrize(
    ("url", "sslmode"),
    [
        ("postgresql://u@93.184.216.34/db", "require"),
        ("postgresql://u@10.1.2.3/db", "require"),
        ("postgresql://u@127.0.0.1/db", None),
        (
            "postgresql://u@93.184.216.34/db?sslmode=verify-full&sslrootcert=system",
            None,
        ),  # as the address says
    ],
)
def test_postgresql_is_spoken_to_encrypted_except_on_this_machine(url, sslmode):
    options = to_checked_ip(read_address(url, password="", safety=WITH_LOOPBACK), WITH_LOOPBACK)

    assert options.get("sslmode") == sslmode
    assert options["hostaddr"] == options["host"]  # an IP as given, so that no name is looked up again


@pytest.mark.postgres
def test_a_server_without_a_certificate_to_trust_is_told_so(postgres):
    url = f"{postgres.url}?sslmode=verify-full&sslrootcert=system"
    setup = Setup({"url": url, "accounts_query": "SELECT 1 AS system_ref"}, safety=WITH_LOOPBACK)
    connector = KINDS["sql_database"].open(setup)

    with pytest.raises(NotAllowed, match="encrypted"):
        connector.cursor(ACCOUNTS)
    connector.close()


@pytest.mark.postgres
@pytest.mark.django_db
def test_our_own_database_is_refused_by_whatever_address_it_is_reached():
    ours = connection.settings_dict
    refused = []
    for host in ("127.0.0.1", "localhost"):
        address = (
            f"postgresql://{ours['USER']}:{ours['PASSWORD']}@{host}:{ours['PORT'] or 5432}/{ours['NAME']}"
        )
        safety = Safety(allow_loopback=True, is_own_database=is_own_database)
        connector = KINDS["sql_database"].open(
            Setup({"url": address, "accounts_query": "SELECT 1 AS system_ref"}, safety=safety)
        )
        with pytest.raises(NotAllowed, match="Kore itself"):
            connector.cursor(ACCOUNTS)
        refused.append(host)
        connector.close()

    assert refused == ["127.0.0.1", "localhost"]

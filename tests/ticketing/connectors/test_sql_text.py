"""Customers' SQL is looked through: one statement, no way out of the query it is put into."""

import pytest

from ticketing.connectors.base import NotAllowed
from ticketing.connectors.sql_text import one_select, one_update

DIALECTS = ("postgresql", "sqlite", "mysql", "mssql", "oracle")


def _select(sql, dialect="postgresql"):
    return one_select(sql, "accounts query", dialect=dialect).text


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "  select a, 'it''s; fine' from t where x >= :since  ",
        "WITH a AS (SELECT 1) SELECT * FROM a",
        "(SELECT 1) UNION (SELECT 2)",
        "SELECT ';' AS \"a;b\" FROM t",
        "SELECT a -- why; so\nFROM t",
        "SELECT a /* of (all */ FROM t",
    ],
)
def test_one_query_is_taken(sql, dialect):
    assert _select(sql, dialect)


@pytest.mark.parametrize(
    "sql", ["SELECT 1;", "SELECT 1 ; \n", "SELECT 1;;", "SELECT 1; -- the end", "SELECT 1 -- the end"]
)
def test_what_ends_a_query_is_forgiven(sql):
    assert _select(sql).strip() == "SELECT 1"


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    "sql",
    [
        "", ";", "-- nothing", "DELETE FROM t", "UPDATE t SET a = 1", "INSERT INTO t SELECT 1",
        "DROP TABLE t", "ATTACH 'x' AS y", "PRAGMA query_only = OFF", "COPY t TO PROGRAM 'x'", "SET ROLE x",
        "CALL f()", "VALUES (1)",
        "SELECT 1; DROP TABLE t", "SELECT 1;SELECT 2", "/* SELECT */ DELETE FROM t",
        "SELECT 1) q; DROP TABLE t; SELECT * FROM (SELECT 1",
        "SELECT 1) q UNION SELECT * FROM (SELECT 2",
        "SELECT (1", "SELECT 1)", "SELECT 'open", 'SELECT "open', "SELECT 1 /* open",
        "SELECT 'a\\'; DROP TABLE t; --'", "SELECT $$a$$", "SELECT $x$;$x$", "SELECT 1 /* a /* b */ c */",
        "SELECT 1 /*! ; DROP TABLE t */", "SELECT :password", "SELECT a WHERE b = :since_then",
    ],
)  # fmt: skip
def test_everything_else_is_refused_with_its_name(sql, dialect):
    with pytest.raises(NotAllowed) as refusal:
        _select(sql, dialect)

    assert "query" in str(refusal.value)


@pytest.mark.parametrize(
    ("sql", "dialect"),
    [
        ("SELECT 1 AS [a']) q; DROP TABLE t; SELECT * FROM (SELECT 1 AS [']", "mssql"),
        ("SELECT 1 AS `a'`) q; DROP TABLE t; SELECT * FROM (SELECT 1 AS `'`", "mysql"),
        ("SELECT 1 # ' \n) q; DROP TABLE t; SELECT * FROM (SELECT 1 # '", "mysql"),
        ("SELECT 1 --'\n) q; DROP TABLE t; SELECT * FROM (SELECT 1 --'", "mysql"),
    ],
)
def test_a_quotation_that_servers_read_in_two_ways_hides_nothing(sql, dialect):
    with pytest.raises(NotAllowed):
        _select(sql, dialect)


def test_only_the_moment_is_a_parameter():
    statement = one_select(
        "SELECT a::text, '10:30:since' FROM t WHERE b >= :since::timestamp",
        "accounts query",
        dialect="postgresql",
    )

    assert statement.parameters == {"since"}
    assert statement.text == "SELECT a\\:\\:text, '10\\:30\\:since' FROM t WHERE b >= :since\\:\\:timestamp"


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE t SET a = :email", "DELETE FROM t WHERE id = :system_ref", "SELECT :system_ref",
        "UPDATE t SET a = 1 WHERE id = :system_ref; DROP TABLE t",
        "WITH x AS (SELECT 1) UPDATE t SET a = :system_ref",
    ],
)  # fmt: skip
def test_a_write_statement_is_one_update_of_one_account(sql):
    with pytest.raises(NotAllowed):
        one_update(sql, "write statement", dialect="postgresql")

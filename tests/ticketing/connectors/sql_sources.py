"""Ticketing databases of the tests: a SQLite file, and a database of its own on the suite's PostgreSQL."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from psycopg import sql

from tests.ticketing.connectors.contract import Source
from ticketing.connectors import KINDS
from ticketing.connectors.base import Connector, DataSet, Page, Safety, Setup

QUERY = "SELECT number, email, changed_at FROM customer WHERE merged_into IS NULL AND changed_at >= :since"
NUMBERS = "SELECT number, merged_into FROM customer"
WRITE = "UPDATE customer SET email = :email, changed_at = CURRENT_TIMESTAMP WHERE number = :system_ref"
WRITE_EMAIL = "UPDATE customer SET email = :email WHERE number = :system_ref"
WITH_LOOPBACK = Safety(allow_loopback=True)
COLUMNS = {DataSet.ACCOUNTS: {"system_ref": "number", "email": "email"}}


class SqlSource(Source):
    """What both kinds have in common; `run` runs one statement at the source."""

    number = "number"
    email = "email"
    knows_moments = True
    is_database = True
    rows_a_page = "ticketing.connectors.sql_database.ROWS_A_PAGE"
    url = ""
    ago = ""

    def run(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Run a statement as the source's own program would; question marks are its values."""
        raise NotImplementedError

    def safety(self, **limits: Any) -> Safety:
        return Safety(allow_loopback=True, **limits)

    def open(self, *, safety: Safety | None = None, writes: bool = True, **options: str) -> Connector:
        given = {"url": self.url, "accounts_query": QUERY, "numbers_query": NUMBERS, "write_statement": WRITE}
        setup = Setup(
            {**given, **options},
            {"write_url": self.url} if writes else {},
            columns=COLUMNS,
            safety=safety or self.safety(),
        )
        return KINDS["sql_database"].open(setup)

    def put(self, number: str, email: str, *, ago: int = 0) -> None:
        self.run(
            f"INSERT INTO customer (number, email, changed_at) VALUES (?, ?, {self.ago}) "
            "ON CONFLICT (number) DO UPDATE SET email = excluded.email, changed_at = excluded.changed_at",
            number,
            email,
            -ago,
        )

    def remove(self, number: str) -> None:
        self.run("DELETE FROM customer WHERE number = ?", number)

    def merge(self, number: str, into: str) -> None:
        self.run("UPDATE customer SET merged_into = ? WHERE number = ?", into, number)

    def list_all(self) -> None:
        """A table is always whole."""

    def change_schema(self) -> None:
        self.run("ALTER TABLE customer RENAME COLUMN email TO mail")


class SqliteSource(SqlSource):
    """A database in a file, as a small box office keeps it."""

    ago = "datetime('now', ? || ' seconds')"

    def __init__(self, folder: Path) -> None:
        self.path = folder / "source.sqlite3"
        self.url = f"sqlite:///{self.path}"
        self.run("PRAGMA journal_mode = WAL")
        self.run(
            "CREATE TABLE customer (number TEXT PRIMARY KEY, email TEXT, changed_at TEXT, merged_into TEXT)"
        )

    def run(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.path)) as database, database:
            return database.execute(statement, values).fetchall()

    def safety(self, **limits: Any) -> Safety:
        return Safety(allow_loopback=True, file_roots=(self.path.parent,), **limits)


class PostgresSource(SqlSource):
    """A database on the server that the suite's own is on."""

    ago = "now() + make_interval(secs => ?)"

    def __init__(self, url: str) -> None:
        self.url = url
        self._connection = psycopg.connect(url, autocommit=True)
        self.run("DROP TABLE IF EXISTS customer")
        self.run(
            "CREATE TABLE customer "
            "(number text PRIMARY KEY, email text, changed_at timestamptz, merged_into text)"
        )

    def run(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        found = self._connection.execute(statement.replace("?", "%s"), values or None)
        return found.fetchall() if found.description else []

    def close(self) -> None:
        """Let go of the server."""
        self._connection.close()


@contextmanager
def postgres_database(*, encoding: str = "") -> Iterator[str]:
    """The address of a new, empty database beside the suite's own; it is dropped afterwards.

    Its user is no superuser, as a ticketing system's is none.
    """
    name = f"kore_source_{os.getpid()}{encoding.lower()}"
    template = sql.SQL(" TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C' ENCODING {}").format(encoding)
    with psycopg.connect(f"postgresql://{login_of_the_suite()}/postgres", autocommit=True) as connection:
        create = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        connection.execute(drop)
        connection.execute(create + template if encoding else create)
        try:
            with _owner(connection, name) as login:
                yield f"postgresql://{login}/{name}"
        finally:
            connection.execute(drop)


def login_of_the_suite() -> str:
    """User, password, host and port of the suite's own database, as they stand in an address."""
    ours = settings.DATABASES["default"]
    return f"{ours['USER']}:{ours['PASSWORD']}@{ours['HOST'] or '127.0.0.1'}:{ours['PORT'] or 5432}"


def is_superuser(connection: psycopg.Connection[Any]) -> bool:
    """Whether the suite's own user may do everything on its server."""
    return bool(
        connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()[0]
    )


@contextmanager
def _owner(connection: psycopg.Connection[Any], name: str) -> Iterator[str]:
    """The login of the database's owner: a plain user made for it, where the suite's own is a superuser."""
    if not is_superuser(connection):
        yield login_of_the_suite()
        return
    user = sql.Identifier(name)
    connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(user))
    connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'source'").format(user))
    connection.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(user, user))
    try:
        yield f"{name}:source@{login_of_the_suite().rpartition('@')[2]}"
    finally:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(user))
        connection.execute(sql.SQL("DROP ROLE {}").format(user))


def read_pages(
    source: SqlSource,
    *,
    since: str = "",
    overlap: int = 0,
    data_set: DataSet = DataSet.ACCOUNTS,
    **options: str,
) -> list[Page]:
    """Everything that a connector of the source with these options finds."""
    connector = source.open(**options)
    try:
        return list(connector.changed(data_set, since=since, resume="", overlap=overlap))
    finally:
        connector.close()

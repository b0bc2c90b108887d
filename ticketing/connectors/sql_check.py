"""What a test of a database's connection looks at: from the address to each query and the right to write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ticketing.connectors.base import DataSet, Finding, SourceError

if TYPE_CHECKING:
    from ticketing.connectors.sql_database import SqlDatabase

FIRST_ROWS = 100
_ONLY_SELECT = "Use a user that may do nothing but SELECT."
_IS_SUPERUSER = "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"
_TABLES_IT_MAY_WRITE = (
    "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')"
    " AND n.nspname NOT LIKE 'pg\\_t%%' AND has_schema_privilege(n.oid, 'USAGE')"
    " AND has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')"
)


def findings(source: SqlDatabase) -> list[Finding]:
    """Everything that a pull needs, in the order in which it would fail."""
    try:
        with source.reading("login") as connection:
            found = [
                Finding("Address and login", True, "The database answers, and it is not Kore's own."),
                _reads_only(source, connection),
                *_least_rights(source, connection),
            ]
    except SourceError as error:
        return [_failure("Address and login", error)]
    found += [_query(source, data_set) for data_set in DataSet if data_set in source.queries]
    if source.numbers_query:
        found.append(_numbers(source))
    return [*found, _writing(source)]


def _failure(what: str, error: SourceError) -> Finding:
    return Finding(what, False, str(error), error.advice)


def _reads_only(source: SqlDatabase, connection: Connection) -> Finding:
    """Whether the session refuses to write: asked of a server, tried on a file."""
    what = "Read-only session"
    if source.dialect == "postgresql":
        is_on = connection.exec_driver_sql("SHOW transaction_read_only").scalar_one() == "on"
    elif source.dialect == "sqlite":
        is_on = _refuses(connection, "CREATE TABLE kore_probe (x)")
    elif source.dialect in ("mysql", "mariadb"):
        is_on = bool(connection.exec_driver_sql("SELECT @@SESSION.transaction_read_only").scalar_one())
    else:
        said = "This kind of database cannot be told to only read; what a query changes is rolled back."
        return Finding(what, True, said, _ONLY_SELECT)
    if is_on:
        return Finding(what, True, "The session refuses to write.")
    return Finding(what, False, "The session would write.", _ONLY_SELECT)


def _least_rights(source: SqlDatabase, connection: Connection) -> list[Finding]:
    """Whether the user could do harm if the session did not hold it back; only PostgreSQL is asked."""
    what = "Least rights"
    if source.dialect != "postgresql":
        return []
    if connection.exec_driver_sql(_IS_SUPERUSER).scalar_one():
        said = "The user may do everything on this server, far more than reading takes."
        return [
            Finding(what, True, said, _ONLY_SELECT)
        ]  # in no pull's way: sessions are read-only all the same
    count = connection.exec_driver_sql(_TABLES_IT_MAY_WRITE).scalar_one()
    if count:
        return [Finding(what, True, f"Tables that the user may write: {count:,}.", _ONLY_SELECT)]
    return [Finding(what, True, "The user may write no table of this database.")]


def _refuses(connection: Connection, statement: str) -> bool:
    try:
        connection.exec_driver_sql(statement)
    except DBAPIError:
        return True
    connection.rollback()
    return False


def _query(source: SqlDatabase, data_set: DataSet) -> Finding:
    """Whether a query runs, has its key, and how it is read."""
    query = source.queries[data_set]
    what = query.label.capitalize()
    try:
        sample = source.sample(data_set, rows=FIRST_ROWS)
        with source.reading(query.label) as connection:
            key = source.key(connection, data_set)
    except SourceError as error:
        return _failure(what, error)
    some = f"{FIRST_ROWS} or more rows" if len(sample.rows) == FIRST_ROWS else f"{len(sample.rows)} rows"
    said = f"{some}, {len(sample.columns)} columns, ordered by {key}."
    if "since" not in query.parameters:
        return Finding(
            what,
            True,
            f"{said} It is read whole each time.",
            "With a condition on :since it would be read from where the last pull ended.",
        )
    return Finding(what, bool(sample.rows), said, "" if sample.rows else "The query finds nothing at all.")


def _numbers(source: SqlDatabase) -> Finding:
    what = "Numbers query"
    try:
        some = next(source.account_numbers(), [])
    except SourceError as error:
        return _failure(what, error)
    merged = sum(1 for listed in some if listed.merged_into)
    return Finding(
        what,
        bool(some),
        f"{len(some)} accounts on its first page, {merged} of them merged into others.",
        "" if some else "An empty list would mark nothing as gone, and raise an alarm.",
    )


def _writing(source: SqlDatabase) -> Finding:
    what = "Writing back"
    if not source.capabilities.writes_account:
        return Finding(what, True, "This connection only reads.")
    try:
        source.try_writer()
    except SourceError as error:
        return _failure(what, error)
    return Finding(what, True, "The credential for writing leads to the same database.")

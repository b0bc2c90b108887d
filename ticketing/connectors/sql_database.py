"""Reads any SQL database by queries of the customer's, and writes accounts by one UPDATE of theirs."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, bindparam, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import NullType

from ticketing.connectors.base import (
    LOST,
    PRIMARY_NAME,
    ROWS_A_PAGE,
    Account,
    Capabilities,
    ChangedSchema,
    DataSet,
    Finding,
    Kind,
    Listed,
    NotAllowed,
    Page,
    Sample,
    Setup,
    TooMuch,
    cell,
    cells,
)
from ticketing.connectors.sql_check import findings
from ticketing.connectors.sql_errors import is_no_value, translated
from ticketing.connectors.sql_options import OPTIONS, written_fields
from ticketing.connectors.sql_portions import portions
from ticketing.connectors.sql_sessions import clock_sql, open_engine, read_address, window
from ticketing.connectors.sql_text import Statement, one_select, one_update
from ticketing.connectors.sql_writing import Writer

MOST_PEOPLE = 1000  # rows of one account that are looked through for its primary customer
_UPDATED = "updated_at"  # our field
_LABELS = {
    DataSet.ACCOUNTS: "accounts query",
    DataSet.NAMES: "names query",
    DataSet.PURCHASES: "purchases query",
}
_KEYS = {
    DataSet.ACCOUNTS: "system_ref",
    DataSet.NAMES: "system_ref",
    DataSet.PURCHASES: "purchase_id",
}
_SQLITE_NUMBERS = 2**63  # and beyond there are only texts
_PLAIN = {str, int, float, Decimal, date, datetime}  # types of keys
_NO = ("", "0", "false", "f", "no", "n")  # as the staging area tells related names by it


class SqlDatabase:
    """One database, read through queries that are each wrapped into one that orders and resumes."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        options = setup.options
        self._url = read_address(
            options.get("url", ""), password=setup.secrets.get("password", ""), safety=setup.safety
        )
        self.dialect = self._url.get_backend_name()
        self.queries = {
            data_set: one_select(sql, _LABELS[data_set], dialect=self.dialect)
            for data_set in DataSet
            if (sql := options.get(f"{data_set}_query", "").strip())
        }
        if DataSet.ACCOUNTS not in self.queries:
            raise NotAllowed("The accounts query is missing.", advice="It says which accounts there are.")
        self.numbers_query = _optional(one_select, options, "numbers_query", self.dialect)
        self._fingerprint = ""
        self._columns: dict[DataSet, tuple[str, ...]] = {}
        self._open: set[Connection] = set()
        self._results: set[Any] = set()
        self._engine = open_engine(self._url, setup, accept=self._accept)
        update = _optional(one_update, options, "write_statement", self.dialect)
        self._writer = Writer(update, setup, read=self._account, accept=self._accept_writer)
        self.capabilities = Capabilities(
            data_sets=frozenset(self.queries),
            finds_changes=frozenset(d for d, query in self.queries.items() if "since" in query.parameters),
            lists_accounts=True,
            follows_merges=self.numbers_query is not None,
            reads_account=True,
            writes_account=self._writer.can_write,
        )

    def check(self) -> list[Finding]:
        return findings(self)

    def sample(self, data_set: DataSet, *, rows: int) -> Sample:
        query = self._query(data_set)
        everything = f"SELECT * FROM ({query.text}\n) q"
        with self.reading(query.label) as connection, self._run(connection, query, everything) as result:
            some = self._first(result, query, rows)
            columns = tuple(result.keys())
        return Sample(columns, [cells(row) for row in some])

    def changed(self, data_set: DataSet, *, since: str, resume: str, overlap: int) -> Iterator[Page]:
        query = self._query(data_set)
        place = json.loads(resume) if resume else {"rows": 0}
        if place.get("after") is None:
            place["rows"] = 0  # it begins anew
        with self.reading(query.label) as connection:
            key = self.key(connection, data_set)
            if not since and not resume:  # a scan more is little beside a load of everything
                place["expected"] = self._count(connection, query)
            order = self._order(data_set, key)
            with self._run(
                connection,
                query,
                f"SELECT * FROM ({query.text}\n) q{self._behind(key, place)} ORDER BY {order}",
                since=since,
                overlap=overlap,
                after=place.get("after"),
            ) as result:
                columns = tuple(result.keys())
                at = columns.index(key)
                for rows in self._portions(result, query, ROWS_A_PAGE):
                    place = _place_behind(place, [row[at] for row in rows], dialect=self.dialect)
                    self._check_count(query, place["rows"])
                    made = [cells(row) for row in rows]
                    yield Page(columns, made, json.dumps(place), expected=place.get("expected"))
                    self._restart_stopwatch(connection)

    def cursor(self, data_set: DataSet) -> str:
        with self.reading("question for the time") as connection:
            moment = connection.exec_driver_sql(clock_sql(self.dialect)).scalar_one()
        if not isinstance(moment, datetime):
            moment = datetime.fromisoformat(str(moment))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).isoformat()

    def account_numbers(self) -> Iterator[list[Listed]]:
        query = self.numbers_query or self._query(DataSet.ACCOUNTS)
        with self.reading(query.label) as connection:
            what = "*" if self.numbers_query else self._quoted(self.key(connection, DataSet.ACCOUNTS))
            count = 0
            with self._run(connection, query, f"SELECT {what} FROM ({query.text}\n) q") as result:
                for rows in self._portions(result, query, ROWS_A_PAGE):
                    count += len(rows)
                    self._check_count(query, count)
                    yield [_listed(*cells(row[:2])) for row in rows]
                    self._restart_stopwatch(connection)

    def reread(self, hints: Sequence[str]) -> Iterator[tuple[DataSet, Page]]:
        return iter(())

    def read_account(self, number: str) -> Account | None:
        with self.reading(_LABELS[DataSet.ACCOUNTS]) as connection:
            try:
                return self._account(connection, number)
            except DBAPIError as error:
                if is_no_value(error):  # of the key's type: no account can have it for its number
                    return None
                raise

    def write_account(self, number: str, values: Mapping[str, str], *, version: str) -> Account:
        return self._writer.write(number, values, version=version)

    def close(self) -> None:
        for result in list(self._results):  # a page may be under way: its cursor goes before its connection
            _quietly(result.close)
        for connection in list(self._open):
            _quietly(connection.close)
        _quietly(self._engine.dispose)
        _quietly(self._writer.close)

    # What the checks of a connection (sql_check.py) ask for too.

    @contextmanager
    def reading(self, what: str) -> Iterator[Connection]:
        """A session that only reads, rolled back at its end; errors are told as those of `what`."""
        with translated(what), self._engine.connect() as connection:
            self._open.add(connection)
            try:
                self._restart_stopwatch(connection)
                yield connection
            finally:
                self._open.discard(connection)

    def columns(self, connection: Connection, data_set: DataSet) -> tuple[str, ...]:
        """The columns of a query, asked for once. Raises SourceError."""
        if data_set not in self._columns:
            query = self._query(data_set)
            with translated(query.label):
                none = f"SELECT * FROM ({query.text}\n) q WHERE 1 = 0"
                with self._run(connection, query, none) as result:
                    self._columns[data_set] = tuple(result.keys())
        return self._columns[data_set]

    def key(self, connection: Connection, data_set: DataSet) -> str:
        """The column that rows are ordered and resumed by. Raises ChangedSchema when there is none."""
        field = _KEYS[data_set]
        option = self._setup.options.get("key_column", "") if field == "system_ref" else ""
        wanted = option or self._setup.columns.get(data_set, {}).get(field, "") or field
        columns = self.columns(connection, data_set)
        exact = [name for name in columns if name == wanted]
        alike = exact or [name for name in columns if name.lower() == wanted.lower()]
        if not alike:
            raise ChangedSchema(
                f"The {_LABELS[data_set]} has no column {wanted}. It has: {', '.join(columns)[:500]}.",
                advice=f"Map one of its columns to {field}, or name it so.",
            )
        return alike[0]

    def try_writer(self) -> None:
        """Connect with the credential for writing. Raises CannotWrite without one, else a SourceError."""
        self._writer.try_out()

    def _query(self, data_set: DataSet) -> Statement:
        if data_set not in self.queries:
            raise ChangedSchema(
                f"There is no {_LABELS[data_set]}.", advice="Fill it in, or do not ask for it."
            )
        return self.queries[data_set]

    def _accept(self, fingerprint: str) -> None:
        if self._setup.safety.is_own_database(fingerprint):
            raise NotAllowed(
                "This is the database that Kore itself works in.", advice="Give that of the ticketing system."
            )
        self._fingerprint = fingerprint

    def _accept_writer(self, fingerprint: str) -> None:
        with self.reading("comparison of the two addresses"):
            if fingerprint != self._fingerprint:
                raise NotAllowed(
                    "The credential for writing leads to another database than the one that is read.",
                    advice="Only its user and its password may differ.",
                )

    @contextmanager
    def _run(
        self,
        connection: Connection,
        query: Statement,
        sql: str,
        *,
        since: str = "",
        overlap: int = 0,
        **bound: object,
    ) -> Iterator[Any]:
        """Stream a query; `bound` are parameters whose type their column decides, None if not in it."""
        parameters = [
            bindparam(name, value, type_=NullType()) for name, value in bound.items() if value is not None
        ]
        if "since" in query.parameters:
            start = window(since, overlap=overlap, dialect=self.dialect, time_zone=self._setup.time_zone)
            parameters.append(bindparam("since", start.value, type_=start.type))
        result = connection.execute(
            text(sql).bindparams(*parameters), execution_options={"yield_per": ROWS_A_PAGE}
        )
        self._results.add(result)
        try:
            yield result
        finally:
            self._results.discard(result)
            result.close()

    def _portions(self, result: Any, query: Statement, rows: int) -> Iterator[Sequence[Any]]:
        return portions(result, rows=rows, most_bytes=self._setup.safety.most_bytes, label=query.label)

    def _first(self, result: Any, query: Statement, rows: int) -> Sequence[Any]:
        return next(self._portions(result, query, rows), [])

    def _count(self, connection: Connection, query: Statement) -> int:
        with self._run(connection, query, f"SELECT count(*) FROM ({query.text}\n) q") as result:
            count: int = result.scalar_one()
        self._check_count(query, count)
        return count

    def _behind(self, key: str, place: Mapping[str, Any]) -> str:
        """The condition that resumes: rows of the last key come again, those without one too."""
        quoted = self._quoted(key)
        return f" WHERE {quoted} >= :after OR {quoted} IS NULL" if place.get("after") is not None else ""

    def _order(self, data_set: DataSet, key: str) -> str:
        """By the key, and of rows with one key the newest last, where the query says which that is."""
        newest = self._setup.columns.get(data_set, {}).get(_UPDATED, _UPDATED)
        if newest == key or self._columns[data_set].count(newest) != 1:
            return self._quoted(key)
        moment = self._quoted(newest)  # those without one first, which databases disagree on
        return f"{self._quoted(key)}, CASE WHEN {moment} IS NULL THEN 0 ELSE 1 END, {moment}"

    def _account(self, connection: Connection, number: str) -> Account | None:
        """The account's row; of several people's, that of its primary customer."""
        query = self._query(DataSet.ACCOUNTS)
        key = self._quoted(self.key(connection, DataSet.ACCOUNTS))
        as_number = _as_number(number) if self.dialect == "sqlite" else None
        with self._run(
            connection,
            query,
            f"SELECT * FROM ({query.text}\n) q WHERE {key} = :number"
            + ("" if as_number is None else f" OR {key} = :as_number"),
            number=number,
            as_number=as_number,
        ) as result:
            columns = tuple(result.keys())
            rows = [
                dict(zip(columns, cells(row), strict=True)) for row in self._first(result, query, MOST_PEOPLE)
            ]
        if not rows:
            return None
        primary = self._setup.columns.get(DataSet.ACCOUNTS, {}).get(PRIMARY_NAME, PRIMARY_NAME)
        row = next((row for row in rows if row.get(primary, "").strip().lower() not in _NO), rows[0])
        return Account(row, self._version(row))

    def _version(self, row: Mapping[str, str]) -> str:
        column = self._setup.options.get("version_column", "")
        if not column:
            return hashlib.sha256("\x1f".join(row.values()).encode("utf-8", "surrogatepass")).hexdigest()
        if column not in row:
            raise ChangedSchema(f"The accounts query has no column {column}.", advice="It is the version's.")
        return row[column]

    def _check_count(self, query: Statement, count: int) -> None:
        most = self._setup.safety.most_rows
        if count > most:
            raise TooMuch(
                f"The {query.label} has more than {most:,} rows.",
                advice="Raise the most rows of the connection if that is right.",
            )

    def _quoted(self, name: str) -> str:
        quoted = self._engine.dialect.identifier_preparer.quote(name)
        return f"q.{quoted}".replace(":", "\\:")

    def _restart_stopwatch(self, connection: Connection) -> None:
        if stopwatch := connection.info.get("stopwatch"):
            stopwatch.start()


def _optional(check: Any, options: Mapping[str, str], name: str, dialect: str) -> Statement | None:
    sql = options.get(name, "").strip()
    return check(sql, name.replace("_", " "), dialect=dialect) if sql else None


def _listed(number: str, merged_into: str = "") -> Listed:
    """A row of the numbers; columns of fixed width fill up with blanks, and some name the account itself."""
    into = merged_into.strip()
    return Listed(number, "" if into == number.strip() else into)


def _as_number(text: str) -> float | None:
    """The number that is written so. SQLite takes a number and its text for different keys."""
    try:
        number = int(text) if text.isdecimal() else float(text)
    except ValueError:
        return None
    return number if cell(number) == text and abs(number) < _SQLITE_NUMBERS else None


def _place_behind(place: Mapping[str, Any], keys: Sequence[object], *, dialect: str) -> dict[str, Any]:
    """Where a page ends: its last key, as it compares at the source, and the rows up to there."""
    after = next((key for key in reversed(keys) if _finds_its_place(key)), None)
    if after is not None and (dialect == "postgresql" or not isinstance(after, int | str | float)):
        after = cell(after)
    return {
        **place,
        "after": place.get("after") if after is None else after,
        "rows": place["rows"] + len(keys),
    }


def _finds_its_place(key: object) -> bool:
    """Whether a key means the same to the source when it is given back.

    Otherwise an earlier one is resumed by, or the beginning: rows that come again are no loss.
    """
    return key.__class__ in _PLAIN and LOST not in cell(key)


def _quietly(close: Any) -> None:
    with suppress(Exception):  # whatever a dying connection says: it is let go
        close()


KIND = Kind(
    name="sql_database",
    title="SQL database",
    sentence="Reads a database by your queries, and writes accounts back by your UPDATE.",
    options=OPTIONS,
    open=SqlDatabase,
    writes=written_fields,
)

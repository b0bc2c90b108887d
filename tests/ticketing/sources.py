"""A ticketing database to pull from: SQLite in a file, as a small club keeps it."""

import datetime as dt
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from contacts.models import TicketSystem
from ticketing.models import SourceConnection
from ticketing.services.connections import Wanted, save_connection, wanted_of

ACCOUNTS_QUERY = (
    "SELECT number, first_name, last_name, email, phone, city, changed_at AS updated_at "
    "FROM customers WHERE merged_into IS NULL AND changed_at >= :since"
)
PURCHASES_QUERY = (
    "SELECT id AS purchase_id, customer AS system_ref, event, bought_at AS purchased_at, amount, status "
    "FROM sales WHERE changed_at >= :since"
)
NAMES_QUERY = (
    "SELECT customer AS system_ref, name_id, role, first_name, last_name, email FROM names "
    "WHERE changed_at >= :since"
)
NUMBERS_QUERY = "SELECT number, merged_into FROM customers"
WRITE = (
    "UPDATE customers SET first_name = :first_name, last_name = :last_name, email = :email, phone = :phone, "
    "city = :city, changed_at = CURRENT_TIMESTAMP WHERE number = :system_ref"
)
_TABLES = """
CREATE TABLE customers (number TEXT PRIMARY KEY, first_name TEXT, last_name TEXT, email TEXT, phone TEXT,
    city TEXT, merged_into TEXT, changed_at TEXT DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE sales (id TEXT PRIMARY KEY, customer TEXT, event TEXT, bought_at TEXT, amount TEXT, status TEXT,
    changed_at TEXT DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE names (customer TEXT, name_id TEXT, role TEXT, first_name TEXT, last_name TEXT, email TEXT,
    changed_at TEXT DEFAULT CURRENT_TIMESTAMP, PRIMARY KEY (customer, name_id));
"""


class Box:
    """The database of a box office, changed as its own program would change it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with closing(sqlite3.connect(path)) as database:
            database.executescript(_TABLES)

    def run(self, statement: str, rows: Iterable[tuple] = ((),)) -> None:
        """Run one statement for each row of values."""
        with closing(sqlite3.connect(self.path)) as database, database:
            database.executemany(statement, rows)

    def ask(self, statement: str) -> list[tuple]:
        """What a query finds."""
        with closing(sqlite3.connect(self.path)) as database:
            return database.execute(statement).fetchall()

    def customer(self, number: str, **values: str | None) -> None:
        """Add the customer, or change what is given of them; changed now, unless told otherwise."""
        now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M:%S")
        self._put("customers", "number", number, {"changed_at": now, **values})

    def sale(self, number: str, customer: str, **values: str | None) -> None:
        """Add a sale, or change it."""
        usual = {"event": "Home Opener", "bought_at": "2026-03-01 12:00", "amount": "30.00", "status": "paid"}
        self._put("sales", "id", number, {**usual, "customer": customer, **values})

    def customers(self, count: int) -> None:
        """Add many, numbered from C1, changed long ago."""
        columns = "number, first_name, last_name, email, changed_at"
        self.run(
            f"INSERT INTO customers ({columns}) VALUES (?, ?, ?, ?, '2020-01-01 10:00:00')",
            ((f"C{n}", f"Fan{n}", f"Name{n}", f"fan{n}@example.org") for n in range(1, count + 1)),
        )

    def _put(self, table: str, key: str, number: str, values: dict[str, str | None]) -> None:
        names = [key, *values]
        marks = ", ".join("?" * len(names))
        changes = ", ".join(f"{name} = excluded.{name}" for name in values)
        self.run(
            f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks}) "
            f"ON CONFLICT ({key}) DO UPDATE SET {changes}",
            [(number, *values.values())],
        )


def connect(box: Box, system: TicketSystem, *, now: dt.datetime, **options: str) -> SourceConnection:
    """The system's connection to the box office; options beside its queries."""
    queries = {
        "accounts_query": ACCOUNTS_QUERY,
        "purchases_query": PURCHASES_QUERY,
        "names_query": NAMES_QUERY,
        "numbers_query": NUMBERS_QUERY,
    }
    wanted = Wanted(
        connector="sql_database",
        options={"url": f"sqlite:///{box.path}", **queries, **options},
        mapping={"accounts": {"number": "system_ref"}},
        time_zone="UTC",
    )
    return save_connection(system, wanted, by=None, now=now)


def let_write(connection: SourceConnection, box: Box, *, now: dt.datetime, **options: str) -> None:
    """The connection writes accounts from now on, by WRITE unless told otherwise."""
    wanted = wanted_of(
        connection,
        options={**connection.options, "write_statement": WRITE, **options},
        secrets={"write_url": f"sqlite:///{box.path}"},
    )
    save_connection(connection.system, wanted, by=None, now=now)
    connection.refresh_from_db()

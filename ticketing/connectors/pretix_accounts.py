"""The accounts that orders tell of: bookers, and customers with the address they gave."""

import json
import sqlite3
from collections.abc import Sequence

from ticketing.connectors.pretix_api import Json, PretixApi, counted, expected_shape, moment
from ticketing.connectors.pretix_rows import (
    ADDRESSED_COLUMNS,
    CUSTOMER_COLUMNS,
    Row,
    addressed_row,
    booker_row,
    customer_row,
    is_erased,
)

Table = tuple[tuple[str, ...], list[Row]]


class Accounts:
    """The customers that were seen, kept in a temporary file, to be joined with their orders.

    The file is SQLite's own temporary one: it has no name, and is gone when it is closed. `read_since` is a
    moment of the source before any of them was read.
    """

    def __init__(self, api: PretixApi, *, read_since: str) -> None:
        self._api = api
        self._read_since = moment(read_since)
        self._file = sqlite3.connect("", check_same_thread=False)
        self._file.execute("CREATE TABLE customer (identifier TEXT PRIMARY KEY, told TEXT)")

    def keep(self, customers: Sequence[Json]) -> None:
        """Keep customers as they were read."""
        told = [(customer["identifier"], json.dumps(dict(customer))) for customer in customers]
        self._file.executemany("INSERT OR REPLACE INTO customer VALUES (?, ?)", told)

    def tables(self, orders: Sequence[Json]) -> list[Table]:
        """What orders tell of accounts: with an address, and without for customers not seen before."""
        addressed: list[Row] = []
        others: list[Row] = []
        for order in counted(orders):
            if not order["customer"]:
                addressed.append(booker_row(order))
                continue
            is_new = self._kept(order["customer"]) is None
            customer = self._customer(order)
            if customer is None or is_erased(customer):
                continue
            if row := addressed_row(customer, order):
                addressed.append(row)
            elif is_new:
                others.append(customer_row(customer))
        return [(ADDRESSED_COLUMNS, addressed), (CUSTOMER_COLUMNS, others)]

    def close(self) -> None:
        """Drop the file."""
        self._file.close()

    def _customer(self, order: Json) -> Json | None:
        """The customer of an order, no older than the order: what it says later counts as newer."""
        kept = self._kept(order["customer"])
        with expected_shape():
            if kept is not None and moment(order["last_modified"]) < self._read_since:
                return kept
        found = self._api.customer(order["customer"])
        if found is not None:
            self.keep([found])
        return found

    def _kept(self, identifier: str) -> Json | None:
        found = self._file.execute("SELECT told FROM customer WHERE identifier = ?", [identifier]).fetchone()
        return json.loads(found[0]) if found else None

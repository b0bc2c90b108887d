"""The connector for pretix: customers, bookers, attendees and orders of one organiser, by its REST API.

What becomes what, and what pretix does not tell, stands in docs/connectors.md.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

from ticketing.connectors.base import (
    Account,
    Capabilities,
    ChangedSchema,
    DataSet,
    Finding,
    Kind,
    Listed,
    Option,
    Page,
    Sample,
    Setup,
    TooMuch,
)
from ticketing.connectors.pretix_accounts import Accounts, Table
from ticketing.connectors.pretix_api import (
    NUMBER_FIELDS,
    ORDER_FIELDS,
    Json,
    PretixApi,
    counted,
    expected_shape,
    moment,
)
from ticketing.connectors.pretix_check import findings
from ticketing.connectors.pretix_kept import KeptOrders
from ticketing.connectors.pretix_rows import (
    ADDRESSED_COLUMNS,
    CUSTOMER_COLUMNS,
    NAME_COLUMNS,
    PURCHASE_COLUMNS,
    account_number,
    customer_row,
    is_erased,
    name_rows,
    purchase_rows,
)
from ticketing.connectors.pretix_walks import Step, walk_customers, walk_orders
from ticketing.connectors.pretix_writing import account_of, write_account, written_fields
from ticketing.connectors.web import Web

HINTS_OF_A_PAGE = 50
_ORDER_ACTION = "pretix.event.order."
_CUSTOMER_ACTION = "pretix.customer."
_COLUMNS = {
    DataSet.ACCOUNTS: ADDRESSED_COLUMNS,
    DataSet.NAMES: NAME_COLUMNS,
    DataSet.PURCHASES: PURCHASE_COLUMNS,
}
_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9.\-_]{0,99}")
_CODE = re.compile(r"[A-Za-z0-9]{1,16}")
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9.\-_]{0,99}")
_ORDER_HINT = re.compile(r"order:([^:]+):([^:]+)")
_CUSTOMER_HINT = re.compile(r"customer:([^:]+)")


def hint_of(payload: Mapping[str, Any]) -> str | None:
    """What a webhook of pretix names, as a hint; None for anything else. Nothing it says is believed."""
    action, event, code, customer = (
        str(payload.get(key, "")) for key in ("action", "event", "code", "customer")
    )
    if action.startswith(_ORDER_ACTION) and _SLUG.fullmatch(event) and _CODE.fullmatch(code):
        return f"order:{event}:{code}"
    if action.startswith(_CUSTOMER_ACTION) and _IDENTIFIER.fullmatch(customer):
        return f"customer:{customer}"
    return None


class Pretix:
    """One organiser of a pretix, opened."""

    def __init__(self, api: PretixApi, *, most_rows: int) -> None:
        self.capabilities = Capabilities(
            data_sets=frozenset(DataSet),
            finds_changes=frozenset(DataSet),
            lists_accounts=True,
            reads_account=True,
            writes_account=api.can_write,
            takes_hints=True,
        )
        self._api = api
        self._most_rows = most_rows
        self._cursors: dict[DataSet, str] = {}
        self._read: set[DataSet] = set()
        self._kept: KeptOrders | None = None
        self._accounts: Accounts | None = None

    def check(self) -> list[Finding]:
        """Address, token, version, organiser, permissions and clock, in this order."""
        return findings(self._api, now=datetime.now(UTC))

    def sample(self, data_set: DataSet, *, rows: int) -> Sample:
        """The first customers, or what is in the orders that were not changed for longest."""
        columns, found = _COLUMNS[data_set], []
        for told, more in self._sampled(data_set):
            found += [dict(zip(told, row, strict=True)) for row in more]
            if len(found) >= rows:
                break
        return Sample(columns, [tuple(row.get(name, "") for name in columns) for row in found[:rows]])

    def changed(self, data_set: DataSet, *, since: str, resume: str, overlap: int) -> Iterator[Page]:
        """Orders by the moment of their change; of the accounts first the customers, all looked through.

        The orders of one window are asked for once, for all three data sets, while the connection is open.
        """
        if data_set in self._read:
            self._cursors.pop(data_set, None)
            self._forget()
        at = self.cursor(data_set)
        self._read.add(data_set)
        opening = _opening(since, overlap)
        part, _, place = resume.partition(" ")
        if data_set is DataSet.ACCOUNTS:
            self._begin_accounts(at)
        if data_set is DataSet.ACCOUNTS and part != "orders":
            number, _, begun = place.partition(" ")
            customers = self._changed_customers(opening, page=int(number or 1), begun=begun or at)
            pages: Iterator[Page] = chain(customers, self._in_orders(data_set, opening, place=""))
        else:
            pages = self._in_orders(data_set, opening, place=place)
        yield from self._within_limit(pages)

    def cursor(self, data_set: DataSet) -> str:
        """The moment of pretix's own clock. It stays that of before the first page until the next reading."""
        if data_set not in self._cursors:
            is_served = self._kept is not None and self._kept.is_whole and data_set not in self._read
            self._cursors[data_set] = self._kept.at if self._kept and is_served else self._now_there()
        return self._cursors[data_set]

    def account_numbers(self) -> Iterator[list[Listed]]:
        """Every customer, anonymised ones as erased, and every booker of an order without a customer."""
        for step in walk_customers(self._api):
            with expected_shape():
                listed = [Listed(row["identifier"], is_erased=is_erased(row)) for row in step.rows]
            yield listed
        for step in walk_orders(self._api, "", NUMBER_FIELDS):
            with expected_shape():
                orders = [order for order in counted(step.rows) if not order["customer"]]
                listed = [Listed(account_number(order)) for order in orders]
            yield listed

    def reread(self, hints: Sequence[str]) -> Iterator[tuple[DataSet, Page]]:
        """The orders and customers that hints name, as far as pretix knows them."""
        self._begin_accounts(self._now_there())
        for start in range(0, len(hints), HINTS_OF_A_PAGE):
            orders, customers = self._hinted(hints[start : start + HINTS_OF_A_PAGE])
            told = [(DataSet.ACCOUNTS, self._customer_table(customers, opening=""))]
            for data_set in DataSet:
                told += [(data_set, table) for table in self._order_tables(orders, data_set)]
            behind = str(start + HINTS_OF_A_PAGE)
            yield from ((data_set, _page(table, behind)) for data_set, table in told if table[1])

    def read_account(self, number: str) -> Account | None:
        """A customer, with the address of the order that changed last, or the booker of one order."""
        return account_of(self._api, number)

    def write_account(self, number: str, values: Mapping[str, str], *, version: str) -> Account:
        """Write to a customer, or to the contact and invoice address of one order.

        pretix knows no condition on a write: between our reading and our writing lies the time of a request.
        """
        return write_account(self._api, number, values, version=version)

    def close(self) -> None:
        """Let go of pretix, and of what was kept."""
        self._forget()
        self._begin_accounts("")
        self._api.close()

    def _changed_customers(self, opening: str, *, page: int, begun: str) -> Iterator[Page]:
        """Customers whose change is in the window; pretix cannot be asked for them alone."""
        walk = walk_customers(self._api, page=page, begun=begun)
        for step in walk:
            table = self._customer_table(step.rows, opening=opening)
            if table[1]:
                yield _page(table, f"customers {step.behind} {begun}")

    def _in_orders(self, data_set: DataSet, opening: str, *, place: str) -> Iterator[Page]:
        done = total = found = 0
        is_from_start = not place
        for step in self._orders(data_set, opening, place=place):
            tables = [table for table in self._order_tables(step.rows, data_set) if table[1]]
            done, total = done + len(step.rows), max(total, step.count)
            found += sum(len(rows) for _columns, rows in tables)
            is_told = is_from_start and data_set is not DataSet.ACCOUNTS
            expected = max(found, round(found * total / max(done, 1))) if is_told else None
            for table in tables[:-1]:
                yield _page(table, f"orders {place}", expected)
            place = step.behind
            if tables:
                yield _page(tables[-1], f"orders {place}", expected)

    def _within_limit(self, pages: Iterator[Page]) -> Iterator[Page]:
        rows = 0
        for page in pages:
            rows += len(page.rows)
            if rows > self._most_rows:
                raise TooMuch(
                    f"pretix has more than {self._most_rows:,} rows.",
                    advice="Raise the limit of the connection if that is right.",
                )
            yield page

    def _orders(self, data_set: DataSet, opening: str, *, place: str) -> Iterator[Step]:
        if place:
            return walk_orders(self._api, place, ORDER_FIELDS)
        if self._kept is not None and self._kept.is_whole and self._kept.window == opening:
            return self._kept.steps()
        self._forget()
        self._kept = KeptOrders(opening, self._cursors[data_set])
        return self._kept.keep(walk_orders(self._api, opening, ORDER_FIELDS))

    def _customer_table(self, customers: Sequence[Json], *, opening: str) -> Table:
        """Those changed in the window; all of them are kept, to be joined with their orders."""
        with expected_shape():
            if self._accounts is not None:
                self._accounts.keep(customers)
            rows = [
                customer_row(customer)
                for customer in customers
                if not is_erased(customer)
                and (not opening or moment(customer["last_modified"]) >= moment(opening))
            ]
        return CUSTOMER_COLUMNS, rows

    def _order_tables(self, orders: Sequence[Json], data_set: DataSet) -> list[Table]:
        """What some orders say to a data set, in tables of the same columns."""
        with expected_shape():
            if data_set is DataSet.ACCOUNTS:
                assert self._accounts is not None
                return self._accounts.tables(orders)
            sold = counted(orders)
            if data_set is DataSet.NAMES:
                return [(NAME_COLUMNS, [row for order in sold for row in name_rows(order)])]
            lines = [row for order in sold for row in purchase_rows(order, self._api.happening)]
            return [(PURCHASE_COLUMNS, lines)]

    def _sampled(self, data_set: DataSet) -> Iterator[Table]:
        self._begin_accounts(self._now_there())
        if data_set is DataSet.ACCOUNTS:
            yield from (self._customer_table(step.rows, opening="") for step in walk_customers(self._api))
        for step in walk_orders(self._api, "", ORDER_FIELDS):
            yield from self._order_tables(step.rows, data_set)

    def _begin_accounts(self, at: str) -> None:
        if self._accounts is not None:
            self._accounts.close()
        self._accounts = Accounts(self._api, read_since=at) if at else None

    def _hinted(self, hints: Sequence[str]) -> tuple[list[Json], list[Json]]:
        orders, customers = [], []
        for hint in hints:
            if (found := _ORDER_HINT.fullmatch(hint)) and (order := self._api.order(*found.groups())):
                orders.append(order)
            elif (found := _CUSTOMER_HINT.fullmatch(hint)) and (customer := self._api.customer(found[1])):
                customers.append(customer)
        return orders, customers

    def _now_there(self) -> str:
        at = self._api.orders("", page=1, fields=NUMBER_FIELDS, size=1).at
        if not at:
            raise ChangedSchema(
                "pretix does not tell its clock: the header X-Page-Generated is missing.",
                advice="A proxy before pretix has to let this header through.",
            )
        return at

    def _forget(self) -> None:
        if self._kept is not None:
            self._kept.close()
            self._kept = None


def open_pretix(setup: Setup) -> Pretix:
    """Open a connection to pretix. Raises SourceError for an address that may not be reached."""
    url = setup.options["url"]

    def web(token: str) -> Web:
        headers = {"Authorization": f"Token {token}", "Accept": "application/json"}
        return Web(url, headers, safety=setup.safety)

    reading, writing = web(setup.secrets.get("token", "")), setup.secrets.get("write_token", "")
    api = PretixApi(reading, url, setup.options["organizer"], writing=web(writing) if writing else None)
    return Pretix(api, most_rows=setup.safety.most_rows)


def _opening(since: str, overlap: int) -> str:
    """Where the window opens: the cursor, and so much earlier."""
    if not since:
        return ""
    with expected_shape():
        return (moment(since) - timedelta(seconds=overlap)).astimezone(UTC).isoformat()


def _page(table: Table, resume: str, expected: int | None = None) -> Page:
    columns, rows = table
    return Page(columns, rows, resume, expected)


KIND = Kind(
    name="pretix",
    title="pretix",
    sentence="Orders, attendees and customers of one organiser, through pretix's REST API.",
    options=(
        Option(
            "url",
            "Address",
            "Where your pretix is, such as https://pretix.eu; not the address of a shop.",
            is_required=True,
        ),
        Option("organizer", "Organiser", "The short form in the shop's address.", is_required=True),
        Option(
            "token",
            "API token",
            "Of a team of this organiser that may view orders and customers, of all events.",
            is_required=True,
            is_secret=True,
        ),
        Option(
            "write_token",
            "API token for writing",
            "Of a team that may change orders and customers; without it pretix is only read.",
            is_secret=True,
        ),
    ),
    open=open_pretix,
    hint_of=hint_of,
    writes=written_fields,
)

"""The connector for pretix against a server on loopback whose lists move while they are read."""

import tracemalloc
from dataclasses import replace
from datetime import UTC

import pytest

from tests.ticketing.connectors.fake_pretix import (
    BEGINNING,
    address,
    anonymised,
    at,
    customer,
    fake_pretix,
    order,
    position,
)
from ticketing.connectors.base import Account, CannotWrite, Conflict, DataSet, Listed
from ticketing.connectors.pretix import Pretix, hint_of
from ticketing.connectors.pretix_api import Listing, moment
from ticketing.connectors.pretix_rows import Happening

ACCOUNTS, NAMES, PURCHASES = DataSet.ACCOUNTS, DataSet.NAMES, DataSet.PURCHASES


def _rows(connector, data_set, *, since="", resume="", overlap=0):
    pages = connector.changed(data_set, since=since, resume=resume, overlap=overlap)
    return [row for page in pages for row in page.rows]


def _numbers(rows):
    return [row[0] for row in rows]


@pytest.mark.req("R-MDB-1")
def test_everything_there_is_comes_with_a_blank_cursor():
    with fake_pretix([customer("C1")], [order("A1"), order("B2", customer="C1", minute=1)]) as source:
        connector = source.open()

        accounts, names, purchases = (_rows(connector, data_set) for data_set in (ACCOUNTS, NAMES, PURCHASES))

    assert accounts[0][:4] == ("C1", "", "Ada", "C1")
    assert accounts[1][:4] == ("O-cup-A1", "", "Bo", "Booker")
    assert accounts[2] == (
        "C1", "", "Ada", "C1", "c1@example.com", "", "", "Side Street 1", "", "Berlin", "10115", "DE", "en",
        "", at(0), at(1),
    )  # fmt: skip
    assert len(accounts) == 3
    assert [row[:2] for row in names] == [("O-cup-A1", "cup-A1-1"), ("C1", "cup-B2-1")]
    assert [row[:4] for row in purchases] == [
        ("O-cup-A1", "cup-A1-1", "Cup final", "2026-05-02"),
        ("C1", "cup-B2-1", "Cup final", "2026-05-02"),
    ]


def test_test_orders_and_what_an_erasure_left_do_not_come():
    with fake_pretix([anonymised("C1")], [order("T1", testmode=True)]) as source:
        connector = source.open()

        assert [_rows(connector, data_set) for data_set in DataSet] == [[], [], []]


def test_the_orders_of_one_window_are_asked_for_once_for_all_data_sets():
    with fake_pretix([], [order(f"A{number}", minute=number) for number in range(60)]) as source:
        connector = source.open()
        for data_set in DataSet:
            connector.cursor(data_set)
        cursors = len(source.asked_of("orders"))

        found = [len(_rows(connector, data_set)) for data_set in (ACCOUNTS, NAMES, PURCHASES)]

        assert found == [61, 61, 61]  # the order at the boundary of the pages comes twice
        assert len(source.asked_of("orders")) - cursors == 2


def test_the_cursor_is_the_sources_clock_and_of_before_the_reading():
    with fake_pretix([], [order("A1")]) as source:
        connector = source.open()
        before = connector.cursor(ACCOUNTS)
        source.now = source.now.replace(year=2027)
        _rows(connector, ACCOUNTS)

        assert before == "2026-03-02T12:00:00Z"
        # the names come from the orders that were read for the accounts, and are as old as these
        assert (connector.cursor(ACCOUNTS), connector.cursor(NAMES)) == (before, before)


def test_read_again_it_reads_anew_and_has_a_new_cursor():
    with fake_pretix([], [order("A1")]) as source:
        connector = source.open()
        _rows(connector, PURCHASES)
        source.orders.append(order("B2", minute=1))
        source.now = source.now.replace(year=2027)

        assert len(_rows(connector, PURCHASES)) == 2
        assert connector.cursor(PURCHASES) == "2027-03-02T12:00:00Z"


@pytest.mark.req("R-MDB-1")
def test_only_what_changed_in_the_window_comes():
    customers = [customer("C1", minute=1), customer("C2", minute=31)]
    orders = [order("A1", minute=1), order("B2", minute=30), order("C3", minute=31)]
    with fake_pretix(customers, orders) as source:
        connector = source.open()

        accounts = _numbers(_rows(connector, ACCOUNTS, since=at(40), overlap=600))

        assert accounts == ["C2", "O-cup-B2", "O-cup-C3"]
        assert _numbers(_rows(connector, NAMES, since=at(31))) == ["O-cup-C3"]


@pytest.mark.parametrize("data_set", [ACCOUNTS, PURCHASES])
def test_cut_off_behind_any_page_it_goes_on_there(data_set):
    customers = [customer(f"C{number:03}") for number in range(120)]
    whose = [None, "C001"]
    orders = [order(f"A{number}", minute=number, customer=whose[number % 2]) for number in range(120)]
    with fake_pretix(customers, orders) as source:
        pages = list(source.open().changed(data_set, since="", resume="", overlap=0))
        everything = {row for page in pages for row in page.rows}

        for place in range(len(pages)):
            before = {row for page in pages[: place + 1] for row in page.rows}
            rest = _rows(source.open(), data_set, resume=pages[place].resume)
            assert before | set(rest) == everything
            assert len(set(rest)) < len(everything)


def test_no_order_is_passed_over_when_others_change_while_they_are_read():
    with fake_pretix([], [order(f"A{number:03}", minute=number) for number in range(200)]) as source:
        changes = iter(range(0, 200, 7))

        def change_one(path):
            if "/orders/" in path:  # one that was read already moves to the end, and all others up by one
                source.change(f"A{next(changes):03}", minute=1000 + len(source.asked))

        source.on_request = change_one
        numbers = _numbers(_rows(source.open(), PURCHASES))

    assert set(numbers) == {f"O-cup-A{number:03}" for number in range(200)}


def test_more_orders_than_a_page_of_the_same_moment_all_come_though_they_move():
    same = [order(f"S{number:03}", minute=5) for number in range(180)]
    with fake_pretix([], [order("A1"), *same, order("Z1", minute=9)]) as source:
        changes = iter(range(180))

        def change_one(path):
            if "/orders/" in path and (number := next(changes)) % 2:
                source.change(f"S{number:03}", minute=100 + number)

        source.on_request = change_one
        numbers = _numbers(_rows(source.open(), PURCHASES))

    assert set(numbers) == {"O-cup-A1", "O-cup-Z1", *(f"O-cup-S{number:03}" for number in range(180))}


def test_no_customer_is_passed_over_when_another_ones_email_changes():
    with fake_pretix([customer(f"C{number:03}") for number in range(150)]) as source:

        def move_one(path):
            if "/customers/" in path and "page=2" in path and source.customers[0]["email"] < "z":
                source.customers[0].update(email="z@example.com", last_modified=at(9999))

        source.on_request = move_one
        rows = _rows(source.open(), ACCOUNTS)

    assert set(_numbers(rows)) == {f"C{number:03}" for number in range(150)}  # C050 had moved to page 1
    assert len(rows) == 300


def test_a_walk_through_the_customers_taken_up_later_is_begun_again_when_one_changed_since():
    with fake_pretix([customer(f"C{number:03}") for number in range(150)]) as source:
        (first, *_) = source.open().changed(ACCOUNTS, since="", resume="", overlap=0)
        source.customers[0].update(email="z@example.com", last_modified=at(9999))

        rows = _rows(source.open(), ACCOUNTS, resume=first.resume)

    assert first.resume == "customers 2 2026-03-02T12:00:00Z"
    assert "C050" in _numbers(rows)


def test_a_customer_changed_between_list_and_order_comes_as_the_customer_is_now():
    """Else what the customer changed would count as older than the order, and never come."""
    with fake_pretix([customer("C1", minute=1)], [order("A1", customer="C1", minute=2)]) as source:
        source.now = source.now.replace(hour=13)

        def change_both(path):
            if "/orders/" in path and source.asked_of("customers"):
                later = (source.now - BEGINNING).total_seconds() / 60
                source.customers[0].update(phone="+44123", last_modified=at(later + 1))
                source.change("A1", minute=later + 2)

        source.on_request = change_both
        rows = _rows(source.open(), ACCOUNTS)

    assert [(row[0], row[5]) for row in rows] == [("C1", ""), ("C1", "+44123")]


def test_a_customer_who_came_after_the_list_comes_with_the_order():
    with fake_pretix([], [order("A1", customer="C1", minute=2, invoice_address=None)]) as source:

        def register(path):
            if "/orders/" in path and source.asked_of("customers") and not source.customers:
                source.customers.append(customer("C1", minute=3))

        source.on_request = register
        rows = _rows(source.open(), ACCOUNTS)

    assert _numbers(rows) == ["C1"]


def test_cut_off_between_two_tables_of_one_page_of_orders_nothing_is_lost():
    without = order("B2", customer="C1", minute=1, invoice_address=None)
    with fake_pretix([], [without, order("A1", minute=2)]) as source:
        source.on_request = lambda path: (
            (source.customers or "/orders/" not in path or not source.asked_of("customers"))
            or source.customers.append(customer("C1"))
        )
        first, *_others = source.open().changed(ACCOUNTS, since="", resume="", overlap=0)
        rest = _rows(source.open(), ACCOUNTS, resume=first.resume)

    assert _numbers(first.rows) == ["O-cup-A1"]
    assert "C1" in _numbers(rest)


@pytest.mark.req("R-MDB-1")
def test_the_full_list_names_customers_bookers_and_who_was_erased():
    customers = [anonymised("C2"), customer("C1")]
    orders = [order("A1"), order("B2", customer="C1"), order("T1", testmode=True)]
    with fake_pretix(customers, orders) as source:
        listed = [one for part in source.open().account_numbers() for one in part]

    assert listed == [Listed("C2", is_erased=True), Listed("C1"), Listed("O-cup-A1")]


def test_a_series_is_dated_by_the_ticket():
    tickets = [position(1, subevent=7), position(2, subevent=8)]
    with fake_pretix([], [order("A1", positions=tickets)]) as source:
        rows = _rows(source.open(), PURCHASES)

    assert [(row[2], row[3], row[8]) for row in rows] == [
        ("Round 7", "2026-05-02", "EUR"),
        ("Round 8", "2026-05-02", "EUR"),
    ]


def test_hints_are_read_again_and_unknown_ones_are_nothing():
    with fake_pretix([customer("C1"), anonymised("C2")], [order("A1", customer="C1")]) as source:
        hints = ["order:cup:A1", "customer:C2", "order:cup:GONE", "customer:GONE", "nonsense"]
        pages = [(data_set, page) for data_set, page in source.open().reread(hints) if page.rows]

    assert [(data_set, _numbers(page.rows)) for data_set, page in pages] == [
        (ACCOUNTS, ["C1"]),  # whose order is named
        (NAMES, ["C1"]),
        (PURCHASES, ["C1"]),
    ]


@pytest.mark.parametrize(
    ("payload", "hint"),
    [
        ({"event": "cup", "code": "A1", "action": "pretix.event.order.paid"}, "order:cup:A1"),
        ({"event": "cup", "code": "A1", "action": "pretix.event.order.changed.address"}, "order:cup:A1"),
        ({"customer": "C1", "action": "pretix.customer.anonymized"}, "customer:C1"),
        ({"event": "cup", "action": "pretix.event.changed"}, None),
        ({"event": "cup", "code": "../..", "action": "pretix.event.order.paid"}, None),
        ({"event": "cup:x", "code": "A1", "action": "pretix.event.order.paid"}, None),
        ({"event": ["cup"], "code": 5, "action": None}, None),
        ({"customer": "C" * 500, "action": "pretix.customer.changed"}, None),
        ({}, None),
    ],
)
def test_a_webhook_is_a_hint_and_nothing_else(payload, hint):
    assert hint_of(payload) == hint


def test_a_customer_is_read_with_the_address_of_the_order_that_changed_last():
    orders = [
        order("A1", customer="C1", minute=1),
        order("B2", customer="C1", minute=2, invoice_address=address(street="New Street 2")),
        order("C3", customer="C1", minute=3, invoice_address=None),
    ]
    with fake_pretix([customer("C1")], orders) as source:
        account = source.open().read_account("C1")

    assert account.values["first_name"] == "Ada"
    assert account.values["address1"] == "New Street 2"


def test_what_pretix_does_not_know_is_no_account():
    with fake_pretix([anonymised("C2")], [order("A1", customer="C1")]) as source:
        connector = source.open()

        found = [connector.read_account(number) for number in ("C1", "C2", "O-cup-A1", "O-cup-NO")]

    assert found == [None, None, None, None]


def test_a_customer_is_written_and_read_again():
    with fake_pretix([customer("C1", name=("Ada", "Adams"))]) as source:
        connector = source.open()
        before = connector.read_account("C1")
        wanted = {**before.values, "first_name": "Eda", "phone": "+4930123", "external_customer_id": ""}

        after = connector.write_account("C1", wanted, version=before.version)

    assert source.written == [
        {
            "phone": "+4930123",
            "name_parts": {"_scheme": "given_family", "given_name": "Eda", "family_name": "Adams"},
        }
    ]
    assert after == Account({**before.values, "first_name": "Eda", "phone": "+4930123"}, after.version)
    assert after.version != before.version


def test_nothing_is_written_over_what_somebody_else_wrote():
    with fake_pretix([customer("C1")]) as source:
        connector = source.open()
        before = connector.read_account("C1")
        source.customers[0]["phone"] = "+44123"

        with pytest.raises(Conflict):
            connector.write_account("C1", {"phone": "+4930123"}, version=before.version)

    assert source.written == []


def test_a_login_meanwhile_is_no_conflict():
    with fake_pretix([customer("C1")]) as source:
        connector = source.open()
        before = connector.read_account("C1")
        source.customers[0]["last_modified"] = at(99)

        assert connector.write_account("C1", {"phone": "+44123"}, version=before.version)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"city": "Oslo"}, "pretix keeps no city of a customer that could be written."),
        ({"phone": "030"}, "pretix does not take these values."),
    ],
)
def test_what_pretix_does_not_take_is_refused(values, why):
    with fake_pretix([customer("C1")]) as source:
        connector = source.open()
        version = connector.read_account("C1").version

        with pytest.raises(CannotWrite) as refused:
            connector.write_account("C1", values, version=version)

    assert str(refused.value) == why


def test_a_booker_is_written_to_the_order():
    with fake_pretix([], [order("A1")]) as source:
        connector = source.open()
        before = connector.read_account("O-cup-A1")
        wanted = {"last_name": "Baker", "email": "new@example.com", "address2": "Back house", "city": "Bonn"}

        after = connector.write_account("O-cup-A1", wanted, version=before.version)

    assert source.written == [
        {
            "email": "new@example.com",
            "invoice_address": {
                "city": "Bonn",
                "street": "Side Street 1\nBack house",
                "name_parts": {"_scheme": "full", "full_name": "Bo Baker"},
            },
        }
    ]
    assert after.values == {**before.values, **wanted}


class _Endless:
    """An API of as many customers and orders as wanted, made as they are asked for."""

    can_write = False

    def __init__(self, count):
        self._count = count

    def customers(self, page):
        return self._page(page, lambda number: customer(f"C{number:06}", email=f"{number:06}@example.com"))

    def orders(self, since, *, page, fields, size=50):
        first = round((moment(since) - BEGINNING).total_seconds() / 60) if since else 0
        rows = self._page(page, lambda number: order(f"A{number}", minute=number, seats=2), first=first)
        return replace(rows, at=at(-1))

    def happening(self, event, subevent):
        return Happening("Cup", None, UTC, "EUR")

    def close(self):
        pass

    def _page(self, page, make, first=0):
        begin, end = first + (page - 1) * 50, min(first + page * 50, self._count)
        return Listing([make(number) for number in range(begin, end)], self._count, end < self._count, "")


def _peak(count):
    tracemalloc.start()
    connector = Pretix(_Endless(count), most_rows=10**9)
    rows = 0
    for data_set in DataSet:
        for page in connector.changed(data_set, since="", resume="", overlap=0):
            rows += len(page.rows)
    for _part in connector.account_numbers():
        pass
    connector.close()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return rows, peak


@pytest.mark.slow
def test_ten_times_the_rows_take_no_more_memory_but_for_the_count_of_customers():
    few, low = _peak(300)
    many, high = _peak(3_000)

    assert many > 9.9 * few
    assert high - low < 2_700 * 120  # a digest for each customer, and a set of these at the end

"""What the connector for pretix makes of a server that fails, changes its shape, or has another clock."""

from datetime import timedelta

import pytest

from tests.ticketing.connectors.fake_pretix import BEGINNING, TOKEN, at, customer, fake_pretix, order
from tests.ticketing.connectors.web_server import answer, cut_answer, half_answer, hang_up
from ticketing.connectors.base import (
    ChangedSchema,
    DataSet,
    Finding,
    LoginRefused,
    NotAllowed,
    Safety,
    Unreachable,
)
from ticketing.connectors.pretix import KIND, Pretix
from ticketing.connectors.pretix_api import PretixApi
from ticketing.connectors.web import Web

PAGE = {"count": 1, "next": None, "results": [order("A1")] * 20}


def _read(connector, data_set=DataSet.ACCOUNTS, *, since="", resume=""):
    """The pages that came, and what ended them."""
    pages = []
    try:
        for page in connector.changed(data_set, since=since, resume=resume, overlap=0):
            pages.append(page)
    except Exception as error:  # noqa: BLE001  (the test compares it)
        return pages, error
    return pages, None


@pytest.mark.parametrize(
    "fault",
    [
        answer({"detail": "Throttled."}, status=429, headers={"Retry-After": "3600"}),
        answer({}, status=500),
        answer({}, status=503),
        half_answer(PAGE),
        cut_answer(PAGE),
        hang_up,
    ],
)
@pytest.mark.req("R-MDB-1")
def test_a_fault_in_the_middle_loses_nothing(fault):
    orders = [order(f"A{number:03}", minute=number) for number in range(120)]
    with fake_pretix([customer("C1")], orders) as source:
        source.faults = [(f"modified_since={at(49)[:10]}", fault)]  # the second page of the orders

        before, error = _read(source.open())
        after, none = _read(source.open(), resume=before[-1].resume)

    assert isinstance(error, Unreachable)
    assert none is None
    numbers = {row[0] for page in [*before, *after] for row in page.rows}
    assert numbers == {"C1", *(f"O-cup-A{number:03}" for number in range(120))}


def test_a_long_retry_after_is_passed_on():
    with fake_pretix() as source:
        source.faults = [("/customers/", answer({}, status=429, headers={"Retry-After": "3600"}))]

        _pages, error = _read(source.open())

    assert error.retry_after == 3600


def test_a_short_retry_after_is_waited_for():
    with fake_pretix([customer("C1")]) as source:
        source.faults = [("/customers/", answer({}, status=429, headers={"Retry-After": "7"}))]
        waited: list[float] = []
        headers = {"Authorization": f"Token {TOKEN}"}
        web = Web(source.address, headers, safety=Safety(allow_loopback=True), sleep=waited.append)
        pages, error = _read(Pretix(PretixApi(web, source.address, "club"), most_rows=9))

    assert (error, waited) == (None, [7])
    assert pages[0].rows[0][0] == "C1"


@pytest.mark.parametrize("missing", ["email", "invoice_address", "last_modified", "positions", "testmode"])
def test_an_order_without_a_field_is_another_schema_and_no_blank(missing):
    with fake_pretix([], [order("A1")]) as source:
        del source.orders[0][missing]
        source._orders = lambda _query: source.orders

        _pages, error = _read(source.open())
        if missing == "positions":
            _pages, error = _read(source.open(), DataSet.PURCHASES)

    assert isinstance(error, ChangedSchema)
    assert str(error) == f"pretix answered in another shape than expected: {missing!r} is missing."


def test_a_customer_without_a_field_is_another_schema_and_nothing_was_told_of_it():
    with fake_pretix([customer("C1")]) as source:
        del source.customers[0]["name_parts"]

        pages, error = _read(source.open())

    assert (pages, type(error)) == ([], ChangedSchema)


@pytest.mark.parametrize("odd", [{"results": None}, [], "text", {"count": "x", "next": None, "results": []}])
def test_an_answer_of_another_shape_is_another_schema(odd):
    with fake_pretix() as source:
        source.faults = [("/customers/", answer(odd))]

        _pages, error = _read(source.open())

    assert isinstance(error, ChangedSchema)


def test_a_status_that_is_not_known_is_another_schema():
    with fake_pretix([], [order("A1", status="x")]) as source:
        _pages, error = _read(source.open(), DataSet.PURCHASES)

    assert isinstance(error, ChangedSchema)


@pytest.mark.parametrize("hours", [-1, 1])
def test_another_clock_at_the_source_loses_nothing(hours):
    """The window is the source's own: what it dates an hour back or ahead of us comes all the same."""
    with fake_pretix() as source:
        source.now = BEGINNING + timedelta(hours=hours)
        connector = source.open()
        cursor = connector.cursor(DataSet.ACCOUNTS)
        source.orders.append(order("A1", minute=60 * hours + 0.5))
        source.customers.append(customer("C1", minute=60 * hours + 0.5))

        pages, _none = _read(source.open(), since=cursor)

    assert [row[0] for page in pages for row in page.rows] == ["C1", "O-cup-A1"]


def test_without_the_clock_of_the_source_nothing_is_read():
    with fake_pretix([customer("C1")]) as source:
        source.says_clock = False

        pages, error = _read(source.open())

    assert (pages, type(error)) == ([], ChangedSchema)


def test_a_refused_token_and_a_redirect_end_the_pull():
    with fake_pretix() as source:
        assert isinstance(_read(source.open(token="wrong"))[1], LoginRefused)
        source.faults = [
            ("/orders/", answer({}, status=301, headers={"Location": "http://elsewhere.example/"}))
        ]
        assert isinstance(_read(source.open())[1], NotAllowed)


def test_customers_that_never_come_to_rest_end_the_pull():
    with fake_pretix([customer(f"C{number:03}") for number in range(150)]) as source:
        source.faults = [("/customers/", answer({"count": 151, "next": None, "results": []}))] * 9

        _pages, error = _read(source.open())

    assert str(error) == "The list of customers kept changing while it was read."


def test_an_address_of_this_machine_is_refused_without_the_setting():
    with fake_pretix() as source:
        setup = source.setup()
        with pytest.raises(NotAllowed):
            KIND.open(type(setup)(setup.options, setup.secrets))


def test_the_test_of_a_connection_finds_everything_well():
    with fake_pretix([customer("C1")], [order("A1")]) as source:
        found = source.open().check()

    assert [(finding.what, finding.is_good) for finding in found] == [
        ("Address", True), ("Token", True), ("Version", True), ("Organiser", True), ("Events", True),
        ("Orders", True), ("Customers", True), ("Clock", True),
    ]  # fmt: skip


def test_the_test_of_a_connection_tells_a_wrong_token_and_a_wrong_organiser():
    with fake_pretix() as source:
        token = source.open(token="wrong").check()
        organizer = source.open(organizer="other").check()

    assert [(finding.what, finding.is_good) for finding in token] == [("Address", True), ("Token", False)]
    assert organizer[3] == Finding(
        "Organiser",
        False,
        "The token belongs to no organiser of this name.",
        "Give the short form that stands in the shop's address, and a token of a team of this organiser.",
    )


@pytest.mark.parametrize(("path", "what"), [("/customers/", "Customers"), ("/cup/orders/", "Orders")])
def test_the_test_of_a_connection_tells_a_missing_permission(path, what):
    """Without the right to orders, pretix's list of all orders is empty; only that of an event refuses."""
    with fake_pretix() as source:
        source.faults = [(path, answer({"detail": "No permission."}, status=403))]
        found = source.open().check()

    assert [finding.what for finding in found if not finding.is_good] == [what]


def test_the_test_of_a_connection_tells_that_nobody_answers():
    with fake_pretix() as source:
        connector = source.open()

    assert [(finding.what, finding.is_good) for finding in connector.check()] == [("Address", False)]

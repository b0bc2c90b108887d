"""What becomes of pretix's orders and customers."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from tests.ticketing.connectors.fake_pretix import address, anonymised, at, customer, order, position
from ticketing.connectors.pretix_rows import (
    Happening,
    Name,
    address_row,
    addressed_row,
    booker_row,
    customer_row,
    is_erased,
    language_of,
    name_of,
    name_rows,
    purchase_rows,
    text_of,
)

REFUND = {"state": "done"}


def _cup(_event, _subevent):
    return Happening("Cup final", datetime(2026, 5, 1, 22, 30, tzinfo=UTC), ZoneInfo("Europe/Berlin"), "EUR")


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        ({"_scheme": "given_family", "given_name": "Ada", "family_name": "Adams"}, Name("", "Ada", "Adams")),
        ({"_scheme": "full", "full_name": "Ada Maria Adams"}, Name("", "Ada Maria", "Adams")),
        ({"_scheme": "full", "full_name": "Ada"}, Name("", "", "Ada")),
        ({"_legacy": "Ada Adams"}, Name("", "Ada", "Adams")),
        ({"_scheme": "calling", "full_name": "Ada Adams", "calling_name": "Addie"}, Name("", "Ada", "Adams")),
        (
            {"title": "Dr", "given_name": "Ada", "middle_name": "M.", "family_name": "Adams"},
            Name("Dr", "Ada M.", "Adams"),
        ),
        ({"salutation": "Ms", "given_name": "Ada", "family_name": "Adams"}, Name("Ms", "Ada", "Adams")),
        # the parts count, not the scheme: orders made by the API may carry another one than their parts
        ({"_scheme": "full", "given_name": "Ada", "family_name": "Adams"}, Name("", "Ada", "Adams")),
        ({"_shredded": True}, Name()),
        ({"full_name": "█"}, Name()),
        ({}, Name()),
        (None, Name()),
    ],
)
def test_a_name_is_read_in_every_name_scheme(parts, name):
    assert name_of(parts) == name


def test_a_customer_is_an_account():
    found = customer("C1", minute=5, phone="+4930123", external_identifier="X9", locale="de-informal")

    assert customer_row(found) == (
        "C1", "", "Ada", "C1", "c1@example.com", "+4930123", "de", "X9", at(0), at(5),
    )  # fmt: skip


def test_a_booker_without_a_customer_account_is_an_account_of_the_order():
    place = address(company="Bo Ltd", street="Side Street 1\nBack house\n2nd floor")

    assert booker_row(order("A1", minute=3, phone="+4930123", invoice_address=place)) == (
        "O-cup-A1", "", "Bo", "Booker", "a1@example.com", "+4930123", "Bo Ltd", "Side Street 1",
        "Back house, 2nd floor", "Berlin", "10115", "DE", "en", "", at(0), at(3),
    )  # fmt: skip


def test_a_booker_without_an_invoice_address_is_the_only_attendee():
    assert booker_row(order("A1", invoice_address=None))[:4] == ("O-cup-A1", "", "Attendee", "No1")


def test_of_two_attendees_none_is_taken_for_the_booker():
    assert booker_row(order("A1", seats=2, invoice_address=None))[1:4] == ("", "", "")


def test_an_order_of_a_customer_tells_the_customers_address_unless_it_has_none():
    assert address_row(order("A1", customer="C1")) == (
        "C1", "", "Side Street 1", "", "Berlin", "10115", "DE",
    )  # fmt: skip
    assert address_row(order("A1", customer="C1", invoice_address=None)) is None
    only_country = address(street="", zipcode="", city="")
    assert address_row(order("A1", customer="C1", invoice_address=only_country)) is None


def test_a_customer_with_an_address_is_as_new_as_the_newer_of_customer_and_order():
    assert addressed_row(customer("C1", minute=1), order("A1", minute=9, customer="C1"))[-1] == at(9)
    assert addressed_row(customer("C1", minute=9), order("A1", minute=1, customer="C1"))[-1] == at(9)


def test_attendees_are_related_names_of_the_account_that_booked():
    lines = [
        position(1, attendee_email="one@example.com"),
        position(2, canceled=True),
        position(3, attendee_name_parts={}),  # a ticket without a name is nobody
    ]

    assert name_rows(order("A1", minute=2, customer="C1", positions=lines)) == [
        ("C1", "cup-A1-1", "attendee", "", "Attendee", "No1", "one@example.com", at(2))
    ]


def test_each_ticket_is_a_purchase_dated_where_the_event_takes_place():
    assert purchase_rows(order("A1"), _cup) == [
        (
            "O-cup-A1", "cup-A1-1", "Cup final", "2026-05-02", at(0), "single", "1", "23.00", "EUR", "paid",
        )
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("status", "fallen", "refunds", "becomes"),
    [
        ("n", (), [], ["reserved", "reserved"]),
        ("p", (), [], ["paid", "paid"]),
        ("p", (), [REFUND], ["paid", "paid"]),  # something was paid back, but both tickets stand
        ("p", (1,), [REFUND], ["cancelled", "paid"]),
        ("p", (1, 2), [REFUND], ["refunded", "refunded"]),  # cancelled against a fee: the order stays paid
        ("p", (1, 2), [], ["cancelled", "cancelled"]),
        ("e", (), [], ["cancelled", "cancelled"]),
        ("c", (), [], ["cancelled", "cancelled"]),
        ("c", (), [{"state": "created"}], ["cancelled", "cancelled"]),
        ("c", (), [REFUND], ["refunded", "refunded"]),
    ],
)
def test_a_ticket_is_refunded_once_money_went_back_and_nothing_stands(status, fallen, refunds, becomes):
    lines = [position(number, canceled=number in fallen) for number in (1, 2)]
    rows = purchase_rows(order("A1", status=status, positions=lines, refunds=refunds), _cup)

    assert [row[-1] for row in rows] == becomes


def test_what_anonymising_leaves_is_told_from_an_account_that_was_switched_off():
    assert is_erased(anonymised("C1"))
    assert not is_erased(customer("C1", is_active=False))


def test_texts_and_languages_are_told_in_one():
    assert text_of({"de": "Pokal", "en": "Cup"}) == "Cup"
    assert text_of({"nl": "Beker", "de": "Pokal"}) == "Pokal"
    assert text_of("Cup") == "Cup"
    assert text_of(None) == ""
    assert (language_of("de-informal"), language_of("pt-br"), language_of(None)) == ("de", "pt-br", "")

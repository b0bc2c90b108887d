"""From pretix's orders and customers to rows of ours: pure functions over its answers as they come."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any, NamedTuple

from ticketing.connectors.base import cell

CUSTOMER_COLUMNS = (
    "system_ref", "title", "first_name", "last_name", "email", "phone", "language", "external_customer_id",
    "created_at", "updated_at",
)  # fmt: skip
ADDRESS_COLUMNS = ("system_ref", "company", "address1", "address2", "city", "postcode", "country")
ADDRESSED_COLUMNS = (
    "system_ref", "title", "first_name", "last_name", "email", "phone", "company", "address1", "address2",
    "city", "postcode", "country", "language", "external_customer_id", "created_at", "updated_at",
)  # fmt: skip
NAME_COLUMNS = (
    "system_ref", "name_id", "role", "title", "first_name", "last_name", "email", "updated_at",
)  # fmt: skip
PURCHASE_COLUMNS = (
    "system_ref", "purchase_id", "event", "event_on", "purchased_at", "kind", "seats", "amount", "currency",
    "status",
)  # fmt: skip

SHREDDED = "█"  # what pretix's data shredders write over values
_STATUS = {"n": "reserved", "p": "paid", "e": "cancelled", "c": "cancelled"}

Row = tuple[str, ...]


class Name(NamedTuple):
    """A person's name in our parts."""

    title: str = ""
    first: str = ""
    last: str = ""


@dataclass(frozen=True)
class Happening:
    """What purchases say of an event, or of one date of a series: its name, and when it begins there."""

    name: str
    starts_at: datetime | None
    zone: tzinfo
    currency: str

    @property
    def day(self) -> str:
        """The day of the event where it takes place."""
        return "" if self.starts_at is None else self.starts_at.astimezone(self.zone).date().isoformat()


def name_of(parts: Mapping[str, Any] | None) -> Name:
    """A name whatever the organiser's name scheme; of a full name the last word is the last name."""
    parts = parts or {}
    first = " ".join(filter(None, (_plain(parts.get("given_name")), _plain(parts.get("middle_name")))))
    last = _plain(parts.get("family_name"))
    if not first and not last:
        whole = _plain(parts.get("full_name")) or _plain(parts.get("_legacy"))
        first, _, last = whole.rpartition(" ")
    return Name(_plain(parts.get("title")) or _plain(parts.get("salutation")), first.strip(), last)


def language_of(locale: str | None) -> str:
    """A language tag of pretix's locale: its informal German is German."""
    return _plain(locale).removesuffix("-informal")


def is_erased(customer: Mapping[str, Any]) -> bool:
    """Whether a customer was anonymised: pretix leaves the empty account standing."""
    return not (customer["is_active"] or customer["email"] or customer["name_parts"])


def customer_row(customer: Mapping[str, Any]) -> Row:
    """A customer as an account."""
    name = name_of(customer["name_parts"])
    return _row(
        customer["identifier"],
        *name,
        customer["email"],
        customer["phone"],
        language_of(customer["locale"]),
        customer["external_identifier"],
        customer["date_joined"],
        customer["last_modified"],
    )


def booker_number(order: Mapping[str, Any]) -> str:
    """The account number of whoever booked an order without a customer account."""
    return f"O-{order['event']}-{order['code']}"


def account_number(order: Mapping[str, Any]) -> str:
    """The account number that an order belongs to."""
    return order["customer"] or booker_number(order)


def booker_row(order: Mapping[str, Any]) -> Row:
    """Whoever booked an order without a customer account, as an account of their own.

    The name is the invoice address's; where that has none, the attendee's if the order has only one name.
    """
    address = order["invoice_address"] or {}
    name = name_of(address.get("name_parts"))
    if not name.first and not name.last:
        name = _only_attendee(order)
    return _row(
        booker_number(order),
        *name,
        order["email"],
        order["phone"],
        *_place(address),
        language_of(order["locale"]),
        "",
        order["datetime"],
        order["last_modified"],
    )


def address_row(order: Mapping[str, Any]) -> Row | None:
    """What an order's invoice address says of the customer who booked it; None where it says nothing."""
    place = _place(order["invoice_address"] or {})
    return _row(order["customer"], *place) if any(place[:-1]) else None


def addressed_row(customer: Mapping[str, Any], order: Mapping[str, Any]) -> Row | None:
    """A customer with the invoice address of an order; None where it has none.

    It is as new as the newer of the two: else the older would count as overtaken.
    """
    address = address_row(order)
    if address is None:
        return None
    own = dict(zip(CUSTOMER_COLUMNS, customer_row(customer), strict=True))
    own |= dict(zip(ADDRESS_COLUMNS, address, strict=True))
    own["updated_at"] = max(customer["last_modified"], order["last_modified"], key=datetime.fromisoformat)
    return tuple(own[name] for name in ADDRESSED_COLUMNS)


def name_rows(order: Mapping[str, Any]) -> list[Row]:
    """The attendees of an order's positions that stand, as related names of the account that booked."""
    rows = []
    for position in order["positions"]:
        name, email = name_of(position["attendee_name_parts"]), _plain(position["attendee_email"])
        if not position["canceled"] and (name.first or name.last or email):
            number, moment = _line_number(order, position), order["last_modified"]
            rows.append(_row(account_number(order), number, "attendee", *name, email, moment))
    return rows


def purchase_rows(order: Mapping[str, Any], happening: Callable[[str, int | None], Happening]) -> list[Row]:
    """Each position of an order as a purchase; `happening` tells of an event, or of a date of its series."""
    rows = []
    for position in order["positions"]:
        event = happening(order["event"], position["subevent"])
        rows.append(
            _row(
                account_number(order),
                _line_number(order, position),
                event.name[:200],
                event.day,
                order["datetime"],
                "single",
                "1",
                position["price"],
                event.currency,
                _status(order, position),
            )
        )
    return rows


def text_of(translations: Mapping[str, str] | str | None) -> str:
    """A text of pretix that may be in several languages: the English one, else the first by language."""
    if translations is None or isinstance(translations, str):
        return translations or ""
    return translations.get("en") or next((text for _, text in sorted(translations.items()) if text), "")


def _status(order: Mapping[str, Any], position: Mapping[str, Any]) -> str:
    """A line that fell is refunded once nothing of its order stands and money went back, else cancelled."""
    status = _STATUS[order["status"]]
    if status != "cancelled" and not position["canceled"]:
        return status
    stands = status != "cancelled" and not all(line["canceled"] for line in order["positions"])
    is_refunded = any(refund["state"] == "done" for refund in order["refunds"])
    return "refunded" if is_refunded and not stands else "cancelled"


def _only_attendee(order: Mapping[str, Any]) -> Name:
    names = {name_of(line["attendee_name_parts"]) for line in order["positions"] if not line["canceled"]}
    named = [name for name in names if name.first or name.last]
    return named[0] if len(named) == 1 else Name()


def _place(address: Mapping[str, Any]) -> Sequence[str]:
    """Company, two lines, city, postcode and country of an invoice address, which may be none."""
    if not address:
        return ("",) * 6
    first, *others = [line.strip() for line in _plain(address["street"]).splitlines() if line.strip()] or [""]
    return (
        _plain(address["company"]),
        first,
        ", ".join(others),
        _plain(address["city"]),
        _plain(address["zipcode"]),
        _plain(address["country"]),
    )


def _line_number(order: Mapping[str, Any], position: Mapping[str, Any]) -> str:
    return f"{order['event']}-{order['code']}-{position['positionid']}"


def _plain(value: Any) -> str:
    text = cell(value).strip()
    return "" if SHREDDED in text else text


def _row(*values: Any) -> Row:
    return tuple(_plain(value) for value in values)

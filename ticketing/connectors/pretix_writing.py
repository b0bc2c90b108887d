"""One account of pretix as it is now, and writing one back."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ticketing.connectors.base import Account, CannotWrite, ChangedSchema, Conflict, Setup
from ticketing.connectors.pretix_api import Json, PretixApi, expected_shape
from ticketing.connectors.pretix_rows import (
    ADDRESS_COLUMNS,
    ADDRESSED_COLUMNS,
    CUSTOMER_COLUMNS,
    Row,
    address_row,
    booker_row,
    customer_row,
    is_erased,
)

_BOOKER = re.compile(r"O-(.+)-([A-Z0-9]+)")
_NOT_OURS_TO_WRITE = frozenset(("system_ref", "created_at", "updated_at"))
_CONTACT = {"email": "email", "phone": "phone", "language": "locale"}
_NAMES = ("title", "first_name", "last_name")
_PLACE = {"company": "company", "city": "city", "postcode": "zipcode", "country": "country"}
_SPLIT_KEYS = ("given_name", "family_name")


_OF_A_CUSTOMER = (*_CONTACT, *_NAMES, "external_customer_id")
_OF_AN_ORDER = (*_CONTACT, *_NAMES, *_PLACE, "address1", "address2")


def written_fields(setup: Setup, number: str) -> frozenset[str]:
    """Our fields that can be written to a customer, or to the booker of an order; told by the number."""
    if not setup.secrets.get("write_token"):
        return frozenset()
    return frozenset(_OF_AN_ORDER if _BOOKER.fullmatch(number) else _OF_A_CUSTOMER)


def account_of(api: PretixApi, number: str) -> Account | None:
    """An account as it is now; None where pretix knows none, or only what an erasure left."""
    if (order := _order_of(api, number)) is not None:
        return _booker(order)
    customer = api.customer(number)
    with expected_shape():
        if customer is None or is_erased(customer):
            return None
        own = _values(CUSTOMER_COLUMNS, customer_row(customer))
        return Account({**_address_of(api, number), **own}, _version(own))


def write_account(api: PretixApi, number: str, values: Mapping[str, str], *, version: str) -> Account:
    """Write what differs from what stands there, and read it again. Raises Conflict, CannotWrite."""
    api.require_writing()
    order = _order_of(api, number)
    customer = None if order is not None else api.customer(number)
    with expected_shape():
        now = _booker(order) if order is not None else account_of(api, number)
        if now is None or now.version != version:
            raise Conflict(
                "The account is not any more what it was when it was read.", advice="Look at it as it is now."
            )
        wanted = {
            name: value
            for name, value in values.items()
            if name not in _NOT_OURS_TO_WRITE and value != now.values.get(name, "")
        }
        if not wanted:
            return now
        if order is not None:
            body = _order_body(order, now.values, wanted)
        else:
            assert customer is not None
            body = _customer_body(customer, now.values, wanted)
    _send(api, number, order, body)
    if (written := account_of(api, number)) is None:
        raise Conflict("The account was erased while it was written.", advice="Pull the system again.")
    return written


def _send(api: PretixApi, number: str, order: Json | None, body: Json) -> None:
    try:
        if order is not None:
            api.change_order(order["event"], order["code"], body)
        else:
            api.change_customer(number, body)
    except ChangedSchema:
        raise CannotWrite(
            "pretix does not take these values.",
            advice="A phone number has to begin with + and the country's code, the language has to be one of "
            "the shop's, and no other customer may have the e-mail address.",
        ) from None


def _customer_body(customer: Json, now: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, Any]:
    plain = {**_CONTACT, "external_customer_id": "external_identifier"}
    _refuse_others(wanted, _OF_A_CUSTOMER, "of a customer")
    body = _sent(plain, wanted)
    if any(name in wanted for name in _NAMES):
        body["name_parts"] = _name_parts(customer["name_parts"], {**now, **wanted})
    return body


def _order_body(order: Json, now: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, Any]:
    _refuse_others(wanted, _OF_AN_ORDER, "of an order")
    body = _sent(_CONTACT, wanted)
    address: dict[str, Any] = {theirs: wanted[ours] for ours, theirs in _PLACE.items() if ours in wanted}
    both = {**now, **wanted}
    if "address1" in wanted or "address2" in wanted:
        address["street"] = "\n".join(filter(None, (both.get("address1"), both.get("address2"))))
    if any(name in wanted for name in _NAMES):
        known = (order["invoice_address"] or {}).get("name_parts")
        address["name_parts"] = _name_parts(known, both)
    return {**body, "invoice_address": address} if address else body


def _name_parts(known: Mapping[str, Any] | None, values: Mapping[str, str]) -> dict[str, Any]:
    """The name in the parts that stand there, so that the shop's own scheme goes on to fit."""
    known = {key: part for key, part in (known or {}).items() if key not in ("_legacy", "_shredded")}
    title, first, last = (values.get(name, "") for name in _NAMES)
    if not known or any(known.get(key) for key in _SPLIT_KEYS):
        scheme = known.get("_scheme", "given_family")
        named = {**known, "given_name": first, "family_name": last, "_scheme": scheme}
        if "middle_name" in named:
            named["middle_name"] = ""
    else:
        named = {**known, "full_name": f"{first} {last}".strip()}
    titled = next((key for key in ("title", "salutation") if known.get(key)), "title")
    return {**named, titled: title} if title or known.get(titled) else named


def _sent(fields: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, Any]:
    """The values under pretix's names; a blank is no value there."""
    return {theirs: wanted[ours] or None for ours, theirs in fields.items() if ours in wanted}


def _refuse_others(wanted: Mapping[str, str], known: Sequence[str], whose: str) -> None:
    if others := sorted(set(wanted) - set(known)):
        raise CannotWrite(
            f"pretix keeps no {', '.join(others)} {whose} that could be written.",
            advice="Change it in pretix, or leave it as it is.",
        )


def _order_of(api: PretixApi, number: str) -> Json | None:
    """The order whose booker has this number, if there is one and no customer has it since."""
    found = _BOOKER.fullmatch(number)
    order = api.order(found[1], found[2]) if found else None
    with expected_shape():
        return None if order is None or order["customer"] else order


def _booker(order: Json) -> Account:
    with expected_shape():
        values = _values(ADDRESSED_COLUMNS, booker_row(order))
        return Account(values, _version(values))


def _address_of(api: PretixApi, identifier: str) -> dict[str, str]:
    """The invoice address of the order of theirs that changed last, as pulls take it."""
    rows = (address_row(order) for order in api.orders_of(identifier).rows if not order["testmode"])
    return _values(ADDRESS_COLUMNS, next((row for row in rows if row), ("",) * len(ADDRESS_COLUMNS)))


def _values(columns: Sequence[str], row: Row) -> dict[str, str]:
    return dict(zip(columns, row, strict=True))


def _version(values: Mapping[str, str]) -> str:
    """A digest of what can be written: pretix's own moment of change moves with every login."""
    told = {name: value for name, value in sorted(values.items()) if name not in _NOT_OURS_TO_WRITE}
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()

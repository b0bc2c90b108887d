"""What people do in pretix, through its own API: customers, orders, changes."""

import itertools
import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any

Json = dict[str, Any]


class Refused(Exception):
    """pretix did not take something; says what it said."""


class BoxOffice:
    """Sells tickets in one organiser's pretix, and changes its mind."""

    def __init__(self, url: str, token: str, *, product: int, tour: tuple[int, int]) -> None:
        self._base = f"{url}/api/v1/organizers/club"
        self._headers = {"Authorization": f"Token {token}", "Content-Type": "application/json"}
        self._product = product
        self._tour, self._date = tour
        self._numbers = itertools.count(1)

    def call(self, method: str, path: str, body: Json | None = None) -> Json:
        """Ask pretix. Raises Refused with what it says."""
        sent = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self._base}/{path}", sent, self._headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                said = answer.read()
        except urllib.error.HTTPError as refusal:
            raise Refused(f"{method} {path}: {refusal.code} {refusal.read()[:1000]!r}") from None
        return json.loads(said) if said else {}

    def customer(self, first: str, last: str, **fields: Any) -> str:
        """A new customer; returns the identifier."""
        body = {
            "email": f"{first}.{last}.{next(self._numbers)}@example.com".lower(),
            "name_parts": {"_scheme": "given_family", "given_name": first, "family_name": last},
            "locale": "de",
            **fields,
        }
        return str(self.call("POST", "customers/", body)["identifier"])

    def change_customer(self, identifier: str, **fields: Any) -> None:
        """Change a customer."""
        self.call("PATCH", f"customers/{identifier}/", fields)

    def read_customer(self, identifier: str) -> Json:
        """A customer as pretix has them."""
        return self.call("GET", f"customers/{identifier}/")

    def anonymise(self, identifier: str) -> None:
        """Anonymise a customer."""
        self.call("POST", f"customers/{identifier}/anonymize/", {})

    def order(self, attendees: Sequence[str], *, tour: bool = False, **fields: Any) -> str:
        """A new order, paid, with a ticket for each attendee; returns its code."""
        number = next(self._numbers)
        ticket: Json = {"item": self._tour, "subevent": self._date} if tour else {"item": self._product}
        body = {
            "email": f"booker{number}@example.com",
            "locale": "en",
            "sales_channel": "web",
            "status": "p",
            "payment_provider": "manual",
            "send_email": False,
            "invoice_address": _address(f"Booker{number}"),
            "positions": [
                {**ticket, "price": "23.00", "attendee_name_parts": _name(name)} for name in attendees
            ],
            **fields,
        }
        event = "tour" if tour else "cup-26"
        told = {name: value for name, value in body.items() if value is not None}
        return str(self.call("POST", f"events/{event}/orders/", told)["code"])

    def move(self, code: str, street: str) -> None:
        """Change the invoice address of an order."""
        self.call("PATCH", f"events/cup-26/orders/{code}/", {"invoice_address": {"street": street}})

    def cancel(self, code: str, *, fee: str = "") -> None:
        """Cancel an order, keeping a fee where one is given."""
        body = {"send_email": False, **({"cancellation_fee": fee} if fee else {})}
        self.call("POST", f"events/cup-26/orders/{code}/mark_canceled/", body)

    def pay_back(self, code: str, amount: str) -> None:
        """Pay money back for an order."""
        body = {"state": "done", "source": "admin", "amount": amount, "provider": "manual"}
        self.call("POST", f"events/cup-26/orders/{code}/refunds/", body)

    def rename_attendee(self, code: str, ticket: int, name: str) -> None:
        """Give a ticket of an order to somebody else."""
        found = self.call("GET", f"events/cup-26/orders/{code}/")["positions"]
        line = next(line for line in found if line["positionid"] == ticket)
        self.call(
            "PATCH", f"events/cup-26/orderpositions/{line['id']}/", {"attendee_name_parts": _name(name)}
        )

    def touch(self, code: str) -> None:
        """Change something of an order that nobody sees: it moves to the end of the list of changes."""
        self.call("PATCH", f"events/cup-26/orders/{code}/", {"comment": str(next(self._numbers))})


def _name(text: str) -> Json:
    return {"_scheme": "full", "full_name": text}


def _address(last: str) -> Json:
    return {
        "name_parts": {"_scheme": "given_family", "given_name": "Bo", "family_name": last},
        "street": "Side Street 1\nBack house",
        "zipcode": "10115",
        "city": "Berlin",
        "country": "DE",
    }

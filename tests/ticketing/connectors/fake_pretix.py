"""A pretix of ours on loopback: its lists move while they are read, and it fails when it is told to.

It answers as pretix 2026.8.0 was seen to; `make verify-pretix` shows the same with the real one.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.ticketing.connectors.web_server import Reply, WebServer, answer, web_server
from ticketing.connectors.base import Safety, Setup
from ticketing.connectors.pretix import KIND, Pretix

TOKEN = "t0ken"
BEGINNING = datetime(2026, 3, 1, 12, tzinfo=UTC)
Json = dict[str, Any]


def at(minute: float) -> str:
    """A moment as pretix writes it, in minutes from when the tests begin."""
    return (BEGINNING + timedelta(minutes=minute)).isoformat().replace("+00:00", "Z")


def customer(identifier: str, *, minute: float = 0, email: str | None = None, **fields: Any) -> Json:
    """A customer as the API shows one."""
    first, last = fields.pop("name", ("Ada", identifier.title()))
    return {
        "identifier": identifier,
        "external_identifier": None,
        "email": f"{identifier.lower()}@example.com" if email is None else email,
        "phone": None,
        "name_parts": {"_scheme": "given_family", "given_name": first, "family_name": last},
        "is_active": True,
        "date_joined": at(0),
        "locale": "en",
        "last_modified": at(minute),
    } | fields


def anonymised(identifier: str, *, minute: float = 0) -> Json:
    """What anonymising leaves of a customer."""
    left = {"email": None, "phone": None, "name_parts": {}, "is_active": False}
    return customer(identifier, minute=minute) | left


def order(code: str, *, minute: float = 0, seats: int = 1, **fields: Any) -> Json:
    """An order as the API shows one, with an attendee for each seat."""
    return {
        "code": code,
        "event": "cup",
        "status": "p",
        "testmode": False,
        "email": f"{code.lower()}@example.com",
        "phone": None,
        "locale": "en",
        "datetime": at(0),
        "last_modified": at(minute),
        "customer": None,
        "invoice_address": address(),
        "positions": [position(number) for number in range(1, seats + 1)],
        "refunds": [],
    } | fields


def address(**fields: Any) -> Json:
    """An invoice address."""
    return {
        "company": "",
        "name_parts": {"_scheme": "full", "full_name": "Bo Booker"},
        "street": "Side Street 1",
        "zipcode": "10115",
        "city": "Berlin",
        "country": "DE",
    } | fields


def position(number: int, **fields: Any) -> Json:
    """A ticket of an order."""
    return {
        "positionid": number,
        "price": "23.00",
        "attendee_name_parts": {"_scheme": "full", "full_name": f"Attendee No{number}"},
        "attendee_email": None,
        "subevent": None,
        "canceled": False,
    } | fields


@dataclass
class FakePretix:
    """What it holds, and what is asked of it. `on_request` may change what it holds before each answer.

    `faults` are replies to the next requests whose address holds a text, each given once.
    """

    address: str = ""
    customers: list[Json] = field(default_factory=list)
    orders: list[Json] = field(default_factory=list)
    now: datetime = BEGINNING + timedelta(days=1)
    asked: list[str] = field(default_factory=list)
    written: list[Json] = field(default_factory=list)
    faults: list[tuple[str, Reply]] = field(default_factory=list)
    on_request: Callable[[str], None] = lambda _path: None
    says_clock: bool = True
    customer_order: str = "email"
    token: str = TOKEN
    server: WebServer = field(init=False)

    def setup(self, **options: str) -> Setup:
        """A connection's settings that lead to it."""
        given = {"url": self.address, "organizer": "club", "token": TOKEN, "write_token": TOKEN, **options}
        secrets = {name: given.pop(name) for name in ("token", "write_token")}
        return Setup(given, secrets, safety=Safety(allow_loopback=True, connect_seconds=5))

    def open(self, **options: str) -> Pretix:
        """A connection to it."""
        return KIND.open(self.setup(**options))

    def change(self, code: str, *, minute: float, **fields: Any) -> None:
        """Change an order: it goes to the end of the list."""
        next(one for one in self.orders if one["code"] == code).update(fields, last_modified=at(minute))

    def asked_of(self, what: str) -> list[str]:
        """The requests for one of its lists or things."""
        return [path for path in self.asked if f"/{what}/" in path]

    def reply_to(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        self.asked.append(handler.path)
        self.on_request(handler.path)
        for number, (text, reply) in enumerate(self.faults):
            if text in handler.path:
                del self.faults[number]
                return reply(handler)
        if handler.headers["Authorization"] != f"Token {TOKEN}":
            return answer({"detail": "Invalid token."}, status=401)(handler)
        return self._answer(handler)

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        match [unquote(part) for part in parts.path.removeprefix("/api/v1/").strip("/").split("/")]:
            case ["version"]:
                reply = answer({"pretix": "2026.8.0", "pretix_numeric": 20260080005000})
            case ["organizers", "club"]:
                reply = answer({"name": "The Club", "slug": "club"})
            case ["organizers", "club", "events"]:
                reply = self._page([{"slug": "cup"}], query)
            case ["organizers", "club", "orders"] | ["organizers", "club", "events", "cup", "orders"]:
                reply = self._page(self._orders(query), query)
            case ["organizers", "club", "customers"]:
                reply = self._page(
                    sorted(self.customers, key=lambda one: one[self.customer_order] or ""), query
                )
            case ["organizers", "club", "customers", identifier]:
                reply = self._one(handler, [one for one in self.customers if one["identifier"] == identifier])
            case ["organizers", "club", "events", "cup", "orders", code]:
                reply = self._one(handler, [one for one in self.orders if one["code"] == code])
            case ["organizers", "club", "events", "cup"]:
                reply = answer(_event("Cup final", zone="Europe/Berlin", currency="EUR"))
            case ["organizers", "club", "events", "cup", "subevents", number]:
                reply = answer(_event(f"Round {number}"))
            case ["organizers", other, *_] if other != "club":
                reply = answer({"detail": "You do not have permission."}, status=403)
            case _:
                reply = answer({"detail": "Not found."}, status=404)
        reply(handler)

    def _orders(self, query: dict[str, str]) -> list[Json]:
        found = [one for one in self.orders if query.get("customer") in (None, one["customer"])]
        if since := query.get("modified_since"):
            moment = datetime.fromisoformat(since)
            found = [one for one in found if datetime.fromisoformat(one["last_modified"]) >= moment]
        ordering = query.get("ordering", "")
        return sorted(found, key=lambda one: one["last_modified"], reverse=ordering.startswith("-"))

    def _page(self, rows: list[Json], query: dict[str, str]) -> Reply:
        size, page = min(int(query.get("page_size", 50)), 50), int(query.get("page", 1))
        if page > 1 and (page - 1) * size >= len(rows):
            return answer({"detail": "Invalid page."}, status=404)
        clock = {"X-Page-Generated": self.now.isoformat().replace("+00:00", "Z")} if self.says_clock else {}
        return answer(
            {
                "count": len(rows),
                "next": "http://elsewhere.example/" if page * size < len(rows) else None,
                "results": rows[(page - 1) * size : page * size],
            },
            headers=clock,
        )

    def _one(self, handler: BaseHTTPRequestHandler, found: list[Json]) -> Reply:
        if not found:
            return answer({"detail": "Not found."}, status=404)
        if handler.command == "PATCH":
            body = self.server.asked[-1][3]
            self.written.append(body)
            if body.get("phone") and not body["phone"].startswith("+"):
                return answer({"phone": ["The phone number entered is not valid."]}, status=400)
            changed = dict(body)
            if "invoice_address" in changed:
                changed["invoice_address"] = (found[0]["invoice_address"] or {}) | changed["invoice_address"]
            found[0].update(changed)
        return answer(found[0])


def _event(name: str, *, zone: str = "UTC", currency: str = "") -> Json:
    starts_at = "2026-05-01T22:30:00Z"  # the second of May in Berlin
    names = {"de": f"{name} (de)", "en": name}
    return {"name": names, "date_from": starts_at, "timezone": zone, "currency": currency}


@contextmanager
def fake_pretix(customers: Iterable[Json] = (), orders: Iterable[Json] = ()) -> Iterator[FakePretix]:
    """A pretix that runs while the block does."""
    fake = FakePretix(customers=list(customers), orders=list(orders))
    with web_server(fake.reply_to) as server:
        fake.address, fake.server = server.address, server
        yield fake

"""Requests to pretix's API, one function each, and the shape that its answers have to have."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from ticketing.connectors.base import CannotWrite, ChangedSchema, SourceError
from ticketing.connectors.pretix_rows import Happening, text_of
from ticketing.connectors.web import Answer, Web

ROWS_OF_A_PAGE = 50  # the most that pretix gives
MOST_EVENTS = 2_000  # that are remembered while a connection is open

ORDER_FIELDS = (
    "code", "event", "status", "testmode", "email", "phone", "locale", "datetime", "last_modified",
    "customer", "invoice_address", "positions.positionid", "positions.price",
    "positions.attendee_name_parts", "positions.attendee_email", "positions.subevent", "positions.canceled",
    "refunds.state",
)  # fmt: skip
NUMBER_FIELDS = ("code", "event", "testmode", "last_modified", "customer")

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Listing:
    """One page of one of pretix's lists; `at` is when pretix made it, by its own clock."""

    rows: Sequence[Json]
    count: int
    has_next: bool
    at: str


@contextmanager
def expected_shape() -> Iterator[None]:
    """Anything that does not fit an answer of pretix is a ChangedSchema, named without its values."""
    try:
        yield
    except SourceError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
        missing = f": {error.args[0]!r} is missing" if isinstance(error, KeyError) else ""
        raise ChangedSchema(
            f"pretix answered in another shape than expected{missing}.",
            advice="Its version may be too old or too new for this connector.",
        ) from None


class PretixApi:
    """One organiser of one pretix."""

    def __init__(self, web: Web, url: str, organizer: str, *, writing: Web | None = None) -> None:
        self._web = web
        self._writing = writing
        self._root = f"{url.strip().rstrip('/').removesuffix('/api/v1')}/api/v1"
        self._base = f"{self._root}/organizers/{_part(organizer)}"
        self._events: OrderedDict[tuple[str, int | None], Happening] = OrderedDict()

    @property
    def can_write(self) -> bool:
        """Whether there is a token to write with."""
        return self._writing is not None

    def version(self) -> Answer:
        """What version of pretix it is."""
        return self._web.request("GET", f"{self._root}/version")

    def organizer(self) -> Json | None:
        """The organiser; None where pretix knows none of this name."""
        found: Json | None = self._web.get_json(f"{self._base}/", may_be_missing=True)
        return found

    def events(self) -> Listing:
        """The first of the events that the token may see."""
        listing = self._list("events", page=1)
        assert listing is not None
        return listing

    def orders(self, since: str, *, page: int, fields: Sequence[str], size: int = 0) -> Listing:
        """Orders changed at or after a moment (blank: all), by that moment; none beyond the last page."""
        window = [("modified_since", since)] if since else []
        asked = [*window, ("ordering", "last_modified"), _size(size), *_only(fields)]
        return self._list("orders", page=page, query=asked) or Listing((), 0, has_next=False, at="")

    def ask_for_orders_of(self, event: str) -> None:
        """Ask for one event's orders. Raises LoginRefused without the right; the list of all is empty."""
        self._list(f"events/{_part(event)}/orders", page=1, query=[_size(1), *_only(NUMBER_FIELDS)])

    def orders_of(self, customer: str) -> Listing:
        """The orders of a customer that changed last, the latest first."""
        asked = [("customer", customer), ("ordering", "-last_modified"), *_only(ORDER_FIELDS)]
        return self._list("orders", page=1, query=asked) or Listing((), 0, has_next=False, at="")

    def customers(self, page: int) -> Listing | None:
        """A page of the customers, in pretix's order, which is that of their e-mail; None beyond the last."""
        return self._list("customers", page=page, query=[_size()])

    def customer(self, identifier: str) -> Json | None:
        """One customer; None where pretix knows none."""
        found: Json | None = self._web.get_json(self._customer_url(identifier), may_be_missing=True)
        return found

    def order(self, event: str, code: str) -> Json | None:
        """One order; None where pretix knows none, and for one that was only a test."""
        query = urlencode(_only(ORDER_FIELDS))
        found: Json | None = self._web.get_json(
            f"{self._order_url(event, code)}?{query}", may_be_missing=True
        )
        with expected_shape():
            return None if found is None or found["testmode"] else found

    def change_customer(self, identifier: str, body: Json) -> None:
        """Write fields of a customer."""
        self._write(self._customer_url(identifier), body)

    def change_order(self, event: str, code: str, body: Json) -> None:
        """Write fields of an order."""
        self._write(self._order_url(event, code), body)

    def happening(self, event: str, subevent: int | None) -> Happening:
        """An event, or one date of a series, remembered while the connection is open."""
        key = (event, subevent)
        if key in self._events:
            self._events.move_to_end(key)
            return self._events[key]
        found = self._date(event, subevent) if subevent is not None else self._event(event)
        self._events[key] = found
        if len(self._events) > MOST_EVENTS:
            self._events.popitem(last=False)
        return found

    def close(self) -> None:
        """Let go of the server."""
        self._web.close()
        if self._writing is not None:
            self._writing.close()

    def require_writing(self) -> Web:
        """What writes. Raises CannotWrite without the token for it."""
        if self._writing is None:
            raise CannotWrite(
                "This connection has no token that may write.",
                advice="Give it a write token, or correct the account in pretix.",
            )
        return self._writing

    def _write(self, url: str, body: Json) -> None:
        self.require_writing().request("PATCH", url, body)

    def _event(self, event: str) -> Happening:
        told = self._web.get_json(f"{self._base}/events/{_part(event)}/")
        with expected_shape():
            zone = ZoneInfo(told["timezone"])
            return Happening(text_of(told["name"]), moment(told["date_from"]), zone, told["currency"])

    def _date(self, event: str, subevent: int) -> Happening:
        series = self.happening(event, None)
        told = self._web.get_json(f"{self._base}/events/{_part(event)}/subevents/{int(subevent)}/")
        with expected_shape():
            return Happening(text_of(told["name"]), moment(told["date_from"]), series.zone, series.currency)

    def _customer_url(self, identifier: str) -> str:
        return f"{self._base}/customers/{_part(identifier)}/"

    def _order_url(self, event: str, code: str) -> str:
        return f"{self._base}/events/{_part(event)}/orders/{_part(code)}/"

    def _list(self, what: str, *, page: int, query: Sequence[tuple[str, str]] = ()) -> Listing | None:
        url = f"{self._base}/{what}/?{urlencode([*query, ('page', str(page))])}"
        answer = self._web.request("GET", url, may_be_missing=page > 1)
        if answer.status in (404, 410):
            return None
        with expected_shape():
            told = answer.json()
            at = answer.headers.get("X-Page-Generated", "")
            return Listing(list(told["results"]), int(told["count"]), bool(told["next"]), at)


def moment(text: str) -> datetime:
    """A moment as pretix writes it. Raises ValueError."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError("a moment without a time zone")
    return found


def counted(rows: Sequence[Json]) -> list[Json]:
    """The orders among them that are no tests."""
    return [row for row in rows if not row["testmode"]]


def _only(fields: Sequence[str]) -> list[tuple[str, str]]:
    """Ask for these fields of orders only: tickets' secrets and answers to questions stay where they are."""
    parts = {field.partition(".")[0] for field in fields}
    spared = [("exclude", name) for name in ("fees", "payments", "refunds", "positions") if name not in parts]
    return [("include_canceled_positions", "true"), *(("include", field) for field in fields), *spared]


def _size(rows: int = 0) -> tuple[str, str]:
    return ("page_size", str(rows or ROWS_OF_A_PAGE))


def _part(text: str) -> str:
    """A name as one part of an address, dots kept from leading elsewhere."""
    quoted = quote(text.strip(), safe="")
    return quoted if quoted.strip(".") else quote(text, safe="").replace(".", "%2E")

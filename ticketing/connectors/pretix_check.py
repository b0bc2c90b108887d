"""What a test of a connection to pretix looks at, in order, as far as one failure lets see the next."""

from collections.abc import Callable
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

from ticketing.connectors.base import Finding, LoginRefused, SourceError
from ticketing.connectors.pretix_api import ORDER_FIELDS, PretixApi, expected_shape
from ticketing.connectors.pretix_rows import address_row, booker_row, customer_row, is_erased, name_rows

TESTED_VERSION = "2026.8.0"
OLDEST_VERSION = 20240000000000  # as pretix counts: year, month, patch; lists take `include` since before
_CLOCKS_MAY_DIFFER = timedelta(minutes=5)


def findings(api: PretixApi, *, now: datetime) -> list[Finding]:
    """Everything a pull needs: it stops at the first failure of address, token or organiser."""
    found: list[Finding] = []
    try:
        answer = api.version()
    except LoginRefused as error:
        return [Finding("Address", True, "pretix answers."), _failed("Token", error)]
    except SourceError as error:
        return [_failed("Address", error)]
    found += [Finding("Address", True, "pretix answers."), Finding("Token", True, "The token is accepted.")]
    found.append(_of(lambda: _version(answer.json()), "Version"))
    organizer = _of(lambda: _organizer(api), "Organiser")
    found.append(organizer)
    if organizer.is_good:
        found.append(_of(lambda: _events(api), "Events"))
        found.append(_of(lambda: _orders(api), "Orders"))
        found.append(_of(lambda: _customers(api), "Customers"))
    found.append(_of(lambda: _clock(answer.headers.get("Date", ""), now), "Clock"))
    return found


def _of(look: Callable[[], Finding], what: str) -> Finding:
    try:
        with expected_shape():
            return look()
    except SourceError as error:
        return _failed(what, error)


def _failed(what: str, error: SourceError) -> Finding:
    return Finding(what, False, str(error), error.advice)


def _version(told: dict[str, object]) -> Finding:
    is_known = int(str(told["pretix_numeric"])) >= OLDEST_VERSION
    advice = "" if is_known else f"This connector is tested with pretix {TESTED_VERSION}; update pretix."
    return Finding("Version", is_known, f"pretix {told['pretix']}.", advice)


def _organizer(api: PretixApi) -> Finding:
    advice = "Give the short form that stands in the shop's address, and a token of a team of this organiser."
    try:
        told = api.organizer()
    except LoginRefused:
        told = None
    if told is None:
        return Finding("Organiser", False, "The token belongs to no organiser of this name.", advice)
    return Finding("Organiser", True, f"{told['name']}.")


def _events(api: PretixApi) -> Finding:
    count = api.events().count
    return Finding(
        "Events",
        count > 0,
        f"{count:,} events can be seen. Orders of others do not come.",
        "" if count else "Give the token's team access to all events.",
    )


def _orders(api: PretixApi) -> Finding:
    try:
        listing = api.orders("", page=1, fields=ORDER_FIELDS)
        if not listing.rows:
            for event in api.events().rows[:1]:
                api.ask_for_orders_of(event["slug"])
    except LoginRefused as error:
        return Finding("Orders", False, str(error), "Give the token's team the right to view orders.")
    if not listing.at:
        return Finding(
            "Orders", False, "pretix does not tell its clock.", "A proxy has to let X-Page-Generated through."
        )
    for order in listing.rows:
        booker_row(order), name_rows(order), address_row(order)
    return Finding("Orders", True, f"{listing.count:,} orders.")


def _customers(api: PretixApi) -> Finding:
    try:
        listing = api.customers(1)
    except LoginRefused as error:
        return Finding("Customers", False, str(error), "Give the token's team the right to view customers.")
    for customer in listing.rows if listing else ():
        is_erased(customer), customer_row(customer)
    return Finding("Customers", True, f"{listing.count if listing else 0:,} customers.")


def _clock(date: str, now: datetime) -> Finding:
    """Only told: pulls go by the source's clock, whatever it says."""
    if not date:
        return Finding("Clock", True, "pretix does not tell the time of its answers.")
    apart = abs(parsedate_to_datetime(date) - now)
    if apart < _CLOCKS_MAY_DIFFER:
        return Finding("Clock", True, "The clocks agree.")
    minutes = round(apart.total_seconds() / 60)
    return Finding("Clock", True, f"The clocks are {minutes:,} minutes apart; pulls go by pretix's own.")

"""Walks through pretix's lists, which move while they are read: rows may come twice, but none is passed over.

pretix counts its pages from the start of the list, so a row that leaves its place moves all behind it up by
one, and the first of the next page would be lost. Orders are therefore not read by page number but each
time anew from the last moment seen; customers, who have no such order, are counted.
"""

from array import array
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from ticketing.connectors.base import Unreachable
from ticketing.connectors.pretix_api import Json, Listing, PretixApi, expected_shape, moment

MOST_SCANS = 4


@dataclass(frozen=True)
class Step:
    """Some rows of a walk. `behind` leads behind them; `count` is how many rows the whole walk has about."""

    rows: Sequence[Json]
    behind: str
    count: int


def walk_orders(api: PretixApi, since: str, fields: Sequence[str]) -> Iterator[Step]:
    """All orders changed at or after a moment, by the moment of change; the boundary repeats.

    An order that changes meanwhile goes to the end, and comes again there.
    """
    at = since
    while True:
        listing = api.orders(at, page=1, fields=fields)
        if not listing.rows:
            return
        if listing.has_next and at and not _is_behind(listing, at):
            at, has_next = yield from _walk_same_moment(api, at, fields)
            if not has_next:
                return
            continue
        at = _last(listing)
        yield Step(listing.rows, at, listing.count)
        if not listing.has_next:
            return


def walk_customers(api: PretixApi, *, page: int = 1, begun: str = "") -> Iterator[Step]:
    """All customers; `behind` is the number of the next page.

    As many different ones have to come as pretix counts, else they are read again from the first page: eight
    bytes of memory for each. A walk that is taken up at a later page, and so cannot count, is read
    again where a customer was changed since it had `begun`, which is what moves them.

    Raises Unreachable when they do not come to rest.
    """
    seen = array("Q")
    for _scan in range(MOST_SCANS):
        is_whole, has_moved, count = page == 1, False, 0
        while (listing := api.customers(page)) is not None:
            page, count = page + 1, listing.count
            with expected_shape():
                seen.extend(_digest(row["identifier"]) for row in listing.rows)
                has_moved = has_moved or _changed_since(listing.rows, begun)
            yield Step(listing.rows, str(page), count)
            if not listing.has_next:
                break
        if len(set(seen)) >= count if is_whole else not has_moved:
            return
        page = 1
    raise Unreachable(
        "The list of customers kept changing while it was read.",
        advice="The next pull reads it again; a quieter hour helps.",
    )


def _walk_same_moment(
    api: PretixApi, at: str, fields: Sequence[str]
) -> Generator[Step, None, tuple[str, bool]]:
    """Orders of which more than a page changed at the same moment: how far they go, then all from the back.

    Backwards, because an order that leaves moves those behind it towards pages that are still to be read.
    Returns where to go on, and whether there is more.
    """
    page = 2
    while (listing := api.orders(at, page=page, fields=fields)).has_next and not _is_behind(listing, at):
        page += 1
    end, has_next = at, listing.has_next
    for number in range(page, 0, -1):
        listing = api.orders(at, page=number, fields=fields)
        if number == page:
            end, has_next = _last(listing) or at, listing.has_next
        if listing.rows:
            yield Step(listing.rows, at, listing.count)
    return end, has_next


def _last(listing: Listing) -> str:
    """When the last order of a page was changed."""
    with expected_shape():
        return moment(listing.rows[-1]["last_modified"]).isoformat() if listing.rows else ""


def _is_behind(listing: Listing, at: str) -> bool:
    return bool(listing.rows) and moment(_last(listing)) > moment(at)


def _changed_since(rows: Sequence[Json], begun: str) -> bool:
    return bool(begun) and any(moment(row["last_modified"]) >= moment(begun) for row in rows)


def _digest(identifier: str) -> int:
    return int.from_bytes(blake2b(identifier.encode(), digest_size=8).digest())

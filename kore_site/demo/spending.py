"""What the fans bought: season tickets, packages, single tickets, and some of it given back."""

import datetime as dt
import random
from collections.abc import Iterator, Sequence

from kore_site.demo.club import CURRENCY, MEMBERS, Fixture, System, fixtures, season_name, season_start
from kore_site.demo.people import Entry

PURCHASE_COLUMNS = (
    "system_ref",
    "purchase_id",
    "event",
    "event_on",
    "purchased_at",
    "kind",
    "seats",
    "amount",
    "currency",
    "status",
)
_STATUSES = ("paid",) * 88 + ("refunded",) * 6 + ("cancelled",) * 4 + ("reserved",) * 2
_SEATS = (1, 1, 2, 2, 2, 3, 4)


def make_purchases(
    entries: Sequence[Entry], *, name: str, seed: int, today: dt.date, now: dt.datetime
) -> Iterator[dict[str, str]]:
    """Purchases of these customers of one system over the last season and this one, customer by customer.

    `name` tells the file from the system's others: it stands in the purchases' ids. The seasons lie around
    `today`; nothing is bought after `now`, while events may lie ahead. The same for the same arguments.
    """
    if not entries:
        return
    system = entries[0].system
    dice = random.Random(f"{seed}:{name}")
    programme = fixtures(system, today=today)
    number = 0
    for entry in entries:
        for line in _lines(entry, programme, dice, today, now):
            number += 1
            yield {**line, "system_ref": entry.row["system_ref"], "purchase_id": f"{name[0]}{number:06}"}


def _lines(
    entry: Entry, programme: Sequence[Fixture], dice: random.Random, today: dt.date, now: dt.datetime
) -> Iterator[dict[str, str]]:
    keenness = dice.random()
    if keenness > 0.86:
        for season in (1, 0):
            yield _season_ticket(entry.system, season, dice, today, now)
    elif keenness > 0.76:
        yield _package(programme, dice, today, now)
    if keenness > 0.3:
        for fixture in dice.sample(programme, k=min(len(programme), int(dice.expovariate(0.6)))):
            line = _single(fixture, dice, now)
            if line["purchased_at"]:
                yield line


def _season_ticket(
    system: System, season: int, dice: random.Random, today: dt.date, now: dt.datetime
) -> dict[str, str]:
    start = season_start(season, today=today)
    name = season_name(season, today=today)
    what, price = ("Membership", 45) if system is MEMBERS else ("Season ticket", dice.choice((320, 410, 560)))
    bought = _moment(start - dt.timedelta(days=dice.randint(10, 90)), dice, now)
    return _line(f"{what} {name}", start, bought, "season", dice.choice((1, 1, 2)), price, CURRENCY, "paid")


def _package(
    programme: Sequence[Fixture], dice: random.Random, today: dt.date, now: dt.datetime
) -> dict[str, str]:
    first = dice.choice(programme)
    name = f"Five-event pass, {season_name(first.season, today=today)}"
    bought = _moment(season_start(first.season, today=today), dice, now)
    seats = dice.choice(_SEATS)
    return _line(
        name, first.on, bought, "package", seats, first.price * 4, first.currency, dice.choice(_STATUSES)
    )


def _single(fixture: Fixture, dice: random.Random, now: dt.datetime) -> dict[str, str]:
    """A ticket bought up to six weeks before; without a time when that day is still to come."""
    day = fixture.on - dt.timedelta(days=int(dice.expovariate(1 / 12)) % 42)
    bought = _moment(day, dice, now) if day <= now.date() else None
    status = dice.choice(_STATUSES)
    if status == "reserved" and fixture.on < now.date():
        status = "cancelled"
    return _line(
        fixture.name,
        fixture.on,
        bought,
        "single",
        dice.choice(_SEATS),
        fixture.price,
        fixture.currency,
        status,
    )


def _line(
    event: str,
    on: dt.date,
    bought: dt.datetime | None,
    kind: str,
    seats: int,
    price: int,
    currency: str,
    status: str,
) -> dict[str, str]:
    return {
        "event": event,
        "event_on": on.isoformat(),
        "purchased_at": bought.isoformat(timespec="seconds") if bought else "",
        "kind": kind,
        "seats": str(seats),
        "amount": f"{seats * price}.00",
        "currency": currency,
        "status": status,
    }


def _moment(day: dt.date, dice: random.Random, now: dt.datetime) -> dt.datetime:
    """Some time in the day's opening hours, at the latest now."""
    opened = dt.datetime.combine(day, dt.time(9), tzinfo=now.tzinfo)
    return min(opened + dt.timedelta(seconds=dice.randint(0, 12 * 3600)), now)

"""The Saltmere club: its business units, ticket systems, people at work and fixtures. None of it exists."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

ORGANISATION = "Saltmere Sports Group"
CURRENCY = "GBP"


@dataclass(frozen=True)
class Unit:
    """A business unit of the club."""

    code: str
    name: str


@dataclass(frozen=True)
class System:
    """A ticket system of the club, and how its customers stand in its files.

    share: how many of the fans it knows. numbers: its identifiers, from this number on. shouts: it keeps
    names in capitals. writes_local_phones: its phone numbers carry no country.
    """

    code: str
    name: str
    unit: str
    ref_label: str
    rank: int
    share: float
    prefix: str
    numbers: int
    is_isolated: bool = False
    shouts: bool = False
    writes_local_phones: bool = True


@dataclass(frozen=True)
class Fixture:
    """Something to buy a ticket for. `season` counts back from the current one, which is 0."""

    name: str
    on: dt.date
    season: int
    price: int
    currency: str = CURRENCY


MARINERS = Unit("mariners", "Saltmere Mariners")
GULLS = Unit("gulls", "Saltmere Gulls")
UNITS = (MARINERS, GULLS)

BOX_OFFICE = System("MAR", "Mariners box office", MARINERS.code, "Account", 10, 0.62, "", 200_100)
GULLS_TICKETS = System(
    "GUL", "Gulls ticketing", GULLS.code, "Fan ID", 20, 0.44, "G", 30_040, is_isolated=True, shouts=True
)
MEMBERS = System(
    "CLUB", "Mariners members and shop", MARINERS.code, "Member Number", 30, 0.40, "M-", 7_700,
    writes_local_phones=False,
)  # fmt: skip
SYSTEMS = (BOX_OFFICE, GULLS_TICKETS, MEMBERS)  # which send files
SHOP = System("SHOP", "Mariners online shop", MARINERS.code, "Shop customer", 40, 0, "", 50_000)  # is pulled

SEASON_DAYS = 240
_VISITORS = (
    "Castlebridge Kings",
    "Ravensmoor Rams",
    "Northgate Foxes",
    "Thornholme Tigers",
    "Kelder Bay Kestrels",
    "Ottersby Otters",
    "Eddystow Lions",
    "Wickham Wolves",
)
_CLUB_EVENTS = ("Stadium tour", "Legends dinner", "Open training", "Captain's quiz night", "Family fun day")


def season_start(season: int, *, today: dt.date) -> dt.date:
    """The first Saturday of a season; the current one (0) is always well under way, its end still to come."""
    start = today - dt.timedelta(days=150 + 364 * season)
    return start + dt.timedelta(days=(5 - start.weekday()) % 7)


def season_name(season: int, *, today: dt.date) -> str:
    """Such as 2025/26: the year in which it begins, and the next."""
    year = season_start(season, today=today).year
    return f"{year}/{(year + 1) % 100:02}"


def fixtures(system: System, *, today: dt.date) -> list[Fixture]:
    """What the system sold tickets for in the last season and the current one, in order of date."""
    found = [fixture for season in (1, 0) for fixture in _season(system, season, today)]
    return sorted(found, key=lambda fixture: (fixture.on, fixture.name))


def _season(system: System, season: int, today: dt.date) -> Iterator[Fixture]:
    start = season_start(season, today=today)
    if system is MEMBERS:
        for number in range(14):
            name = _CLUB_EVENTS[number % len(_CLUB_EVENTS)]
            yield Fixture(name, start + dt.timedelta(days=5 + 17 * number), season, 15 + 5 * (number % 5))
        yield Fixture("Away weekend, Rouen", start + dt.timedelta(days=60), season, 140, "EUR")
        return
    team, price, offset = ("Mariners", 34, 0) if system is BOX_OFFICE else ("Gulls", 14, 6)
    for number in range(SEASON_DAYS // 14):
        visitors = _VISITORS[(number + 3 * season) % len(_VISITORS)]
        on = start + dt.timedelta(days=offset + 14 * number)
        yield Fixture(f"{team} v {visitors}", on, season, price + 4 * (number % 3))


@dataclass(frozen=True)
class Person:
    """Somebody who works here: how they sign in, and what they are."""

    username: str
    first_name: str
    last_name: str
    role: str
    sees: str


# `role` is a name of kore_site.roles; `sees` is said on the screen at the end.
ADMIN = Person("admin", "Jordan", "Diaz", "Administrator", "everything, and the settings")
MANAGER = Person("manager", "Kemi", "Okafor", "CRM manager", "every system of both units")
REP = Person(
    "rep",
    "Luis",
    "Reyes",
    "Sales rep",
    "the Mariners' systems only: changes those but CLUB, nothing of the Gulls",
)
OFFICER = Person(
    "officer", "Nora", "Ashdown", "Data protection officer", "every system, for people's requests"
)
STAFF = (ADMIN, MANAGER, REP, OFFICER)

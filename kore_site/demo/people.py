"""Fans as they really stand in ticket systems: in several at once, nicknamed, mistyped, moved, half known."""

import datetime as dt
import random
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from kore_site.demo import names
from kore_site.demo.club import BOX_OFFICE, SYSTEMS, System

REF_COLUMNS = (
    "system_ref",
    "title",
    "first_name",
    "last_name",
    "email",
    "phone",
    "mobile",
    "company",
    "address1",
    "address2",
    "city",
    "postcode",
    "country",
    "date_of_birth",
    "language",
    "external_customer_id",
    "created_at",
    "updated_at",
)
# What box offices type when somebody at the counter gives no address of their own.
COUNTER_MAILBOX = "boxoffice@example.org"

_SHARE_OF_DOUBLES = 0.06
_HOUSEHOLD_SIZES = (1, 1, 1, 1, 2, 2, 2, 3, 4, 5)


@dataclass(frozen=True)
class Home:
    """A place people live at, with the number that rings for all of them."""

    address1: str
    city: str
    postcode: str
    country: str
    landline: str


@dataclass(frozen=True)
class Fan:
    """One real person: what is true of them, before any system writes it down."""

    number: int
    names: tuple[str, ...]
    last_name: str
    born: dt.date
    home: Home
    former_home: Home | None
    email: str
    former_email: str
    mobile: str
    company: str


@dataclass(frozen=True)
class Entry:
    """A row of a system's customer file, and who it truly is."""

    system: System
    fan: Fan
    row: dict[str, str]
    created_at: dt.datetime


@dataclass
class _Pool:
    """Hands out every value once, in a shuffled order, and begins again when it has run dry."""

    values: Sequence[str]
    dice: random.Random
    left: list[str] = field(default_factory=list)

    def take(self) -> str:
        if not self.left:
            self.left = list(self.values)
            self.dice.shuffle(self.left)
        return self.left.pop()


def make_entries(refs: int, *, seed: int, now: dt.datetime) -> list[Entry]:
    """Exactly `refs` rows over all systems; the same for the same arguments.

    Who a row truly is stands in `Entry.fan.number`: the grouping can be measured against it.
    """
    dice = random.Random(seed)
    numbers = {system.code: system.numbers for system in SYSTEMS}
    entries: list[Entry] = []
    for fan in _fans(dice, today=now.date()):
        for system in _systems_of(fan, dice):
            if len(entries) == refs:
                return entries
            numbers[system.code] += dice.randint(1, 3)
            entries.append(_entry(fan, system, f"{system.prefix}{numbers[system.code]}", dice, now))
    return entries


def _fans(dice: random.Random, *, today: dt.date) -> Iterator[Fan]:
    """People without end, household by household."""
    landlines = _Pool([f"{area}{n:03}" for area in names.LANDLINES for n in range(1000)], dice)
    mobiles = _Pool([f"{names.MOBILES}{n:03}" for n in range(1000)], dice)
    weights = [1 / (rank + 8) for rank in range(len(names.SURNAMES))]
    taken: set[str] = set()
    number = 0
    while True:
        home, former_home = _home(dice, landlines), _home(dice, landlines)
        surname = dice.choices(names.SURNAMES, weights)[0]
        moved = dice.random() < 0.14
        shared = _mailbox(f"the{surname.rstrip('s')}s", taken, dice) if dice.random() < 0.08 else ""
        household = dice.sample(names.GIVEN_NAMES, k=dice.choice(_HOUSEHOLD_SIZES))
        for member, given in enumerate(household):
            last_name = surname if dice.random() < 0.9 else dice.choices(names.SURNAMES, weights)[0]
            number += 1
            yield Fan(
                number=number,
                names=given,
                last_name=last_name,
                born=_born(dice, is_child=member >= 2, today=today),
                home=home,
                former_home=former_home if moved else None,
                email=shared
                if shared and dice.random() < 0.6
                else _personal_mailbox(given, last_name, taken, dice),
                former_email=_personal_mailbox(given, last_name, taken, dice) if dice.random() < 0.15 else "",
                mobile=mobiles.take() if dice.random() < 0.34 else "",
                company=dice.choice(names.COMPANIES) if dice.random() < 0.07 else "",
            )


def _home(dice: random.Random, landlines: _Pool) -> Home:
    city, area = dice.choice(names.TOWNS)
    letters = "".join(dice.choices("ABDEFGHJLNPQRSTUWXYZ", k=2))
    return Home(
        address1=f"{dice.randint(1, 160)} {dice.choice(names.STREETS)}",
        city=city,
        postcode=f"{area} {dice.randint(1, 9)}{letters}",
        country="GB",
        landline=landlines.take() if dice.random() < 0.5 else "",
    )


def _born(dice: random.Random, *, is_child: bool, today: dt.date) -> dt.date:
    years = dice.uniform(6, 19) if is_child else dice.triangular(19, 86, 41)
    return today - dt.timedelta(days=int(years * 365.25))


def _personal_mailbox(given: Sequence[str], surname: str, taken: set[str], dice: random.Random) -> str:
    called = dice.choice(given)
    pattern = dice.choice(("{f}.{l}", "{f}.{l}", "{i}.{l}", "{f}{l}", "{l}.{f}", "{f}_{l}", "{f}.{i}.{l}"))
    return _mailbox(pattern.format(f=called, l=surname, i=called[0]), taken, dice)


def _mailbox(local: str, taken: set[str], dice: random.Random) -> str:
    """An address nobody else has, not even at another host."""
    local = local.lower().replace("'", "").replace(" ", "")
    while local in taken:
        local += dice.choice(string.digits)
    taken.add(local)
    return f"{local}@{dice.choice(names.MAIL_HOSTS)}"


def _systems_of(fan: Fan, dice: random.Random) -> list[System]:
    """Where this fan is a customer: at least once, now and then twice in the same system."""
    found = [system for system in SYSTEMS if dice.random() < system.share]
    if not found:
        found = [dice.choice(SYSTEMS)]
    if dice.random() < _SHARE_OF_DOUBLES:
        found.append(dice.choice(found))
    return found


def _entry(fan: Fan, system: System, ref: str, dice: random.Random, now: dt.datetime) -> Entry:
    known_since = now - dt.timedelta(days=dice.uniform(40, 2400))
    touched = known_since + (now - known_since) * dice.random() ** 2
    row = dict.fromkeys(REF_COLUMNS, "") | _as_written_down(fan, system, dice)
    row |= {
        "system_ref": ref,
        "created_at": known_since.isoformat(timespec="seconds"),
        "updated_at": touched.isoformat(timespec="seconds"),
    }
    return Entry(system=system, fan=fan, row=row, created_at=known_since)


def _as_written_down(fan: Fan, system: System, dice: random.Random) -> dict[str, str]:
    """What one system knows of a fan: some of it old, some mistyped, some not there."""
    fan = _as_of_some_day(fan, dice)
    home = fan.home
    row = {
        "first_name": _first_name(fan, dice),
        "last_name": _mistyped(fan.last_name, dice, 0.04),
        "email": _email(fan, system, dice),
        "phone": _phone(home.landline, system) if dice.random() < 0.7 else "",
        "mobile": _phone(fan.mobile, system) if dice.random() < 0.85 else "",
        "company": fan.company if dice.random() < 0.6 else "",
        "date_of_birth": fan.born.isoformat() if dice.random() < 0.55 else "",
        "language": "en-GB" if dice.random() < 0.3 else "",
        "title": dice.choice(("Mr", "Mrs", "Ms", "Dr", "Mx")) if dice.random() < 0.1 else "",
    }
    if dice.random() < 0.82:
        row |= {
            "address1": _street_as_written(home.address1, dice),
            "city": home.city,
            "postcode": home.postcode if dice.random() < 0.9 else home.postcode.replace(" ", "").lower(),
            "country": home.country,
        }
    if dice.random() < 0.05:
        row[dice.choice(("phone", "mobile", "company", "address1"))] = dice.choice(names.PLACEHOLDERS)
    if system.shouts:
        row |= {name: row[name].upper() for name in ("first_name", "last_name")}
    return row


def _as_of_some_day(fan: Fan, dice: random.Random) -> Fan:
    if fan.former_home and dice.random() < 0.45:
        fan = replace(fan, home=fan.former_home)
    if fan.former_email and dice.random() < 0.45:
        fan = replace(fan, email=fan.former_email)
    return fan


def _first_name(fan: Fan, dice: random.Random) -> str:
    roll = dice.random()
    if roll < 0.05:
        return fan.names[0][0]
    if roll < 0.22:
        return dice.choice(fan.names)
    return _mistyped(fan.names[0], dice, 0.04)


def _email(fan: Fan, system: System, dice: random.Random) -> str:
    roll = dice.random()
    if system is BOX_OFFICE and roll < 0.02:
        return COUNTER_MAILBOX
    if roll < 0.17:
        return dice.choice(("", "", "", "", "none@none.com", "n/a"))
    if roll < 0.21:
        return _mistyped(fan.email.split("@")[0], dice, 1) + "@" + fan.email.split("@")[1]
    return fan.email.title() if roll < 0.25 else fan.email


def _phone(number: str, system: System) -> str:
    """The number the way the system keeps it: as dialled here, or as dialled from anywhere."""
    if not number or system.writes_local_phones:
        return number
    return f"+44 {number[1:]}"


def _street_as_written(address: str, dice: random.Random) -> str:
    if dice.random() < 0.25:
        for long, short in (("Street", "St"), ("Road", "Rd"), ("Lane", "Ln"), ("Close", "Cl")):
            address = address.replace(f" {long}", f" {short}")
    return address


def _mistyped(text: str, dice: random.Random, likelihood: float) -> str:
    """With this likelihood: two letters swapped, one doubled or one lost; never the first letter."""
    if len(text) < 4 or dice.random() >= likelihood:
        return text
    at = dice.randrange(1, len(text) - 1)
    return dice.choice(
        (
            text[:at] + text[at + 1] + text[at] + text[at + 2 :],
            text[:at] + text[at] + text[at:],
            text[:at] + text[at + 1 :],
        )
    )

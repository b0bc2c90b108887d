"""The online shop of the club: a ticketing database that lives, so that a visitor sees a change travel."""

import datetime as dt
import random
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from contacts.models import TicketSystem
from kore_site.demo.club import SHOP
from kore_site.demo.people import Entry
from ticketing.models import SourceConnection
from ticketing.services.connections import Wanted, save_connection

_FILE = "online-shop.sqlite3"
_FIRST_NUMBER = 50_000
_TABLES = """
CREATE TABLE IF NOT EXISTS customer (number TEXT PRIMARY KEY, forename TEXT, surname TEXT, email TEXT,
    mobile TEXT, town TEXT, postcode TEXT, since TEXT, changed_at TEXT);
CREATE TABLE IF NOT EXISTS sale (id TEXT PRIMARY KEY, customer TEXT, article TEXT, sold_at TEXT, price TEXT,
    changed_at TEXT);
DELETE FROM customer;
DELETE FROM sale;
"""
_ACCOUNTS = """
SELECT number, forename, surname, email, mobile, town, postcode, 'GB' AS country, since, changed_at
FROM customer WHERE changed_at >= :since
"""
_PURCHASES = """
SELECT id, customer, article, sold_at, price, 'paid' AS status FROM sale WHERE changed_at >= :since
"""
# The town and the names as well; the country is every customer's, and nobody's to write.
_WRITE = """
UPDATE customer SET forename = :first_name, surname = :last_name, email = :email, mobile = :mobile,
    town = :city, postcode = :postcode, changed_at = strftime('%Y-%m-%d %H:%M:%S', 'now')
WHERE number = :system_ref
"""
_MAPPING = {
    "accounts": {
        "number": "system_ref",
        "forename": "first_name",
        "surname": "last_name",
        "town": "city",
        "since": "created_at",
        "changed_at": "updated_at",
    },
    "purchases": {
        "id": "purchase_id",
        "customer": "system_ref",
        "article": "event",
        "sold_at": "purchased_at",
        "price": "amount",
    },
}
_ARTICLES = (("Away shirt", "55.00"), ("Scarf", "14.50"), ("Season yearbook", "22.00"), ("Mug", "9.00"))


@dataclass(frozen=True)
class Change:
    """What was changed at the shop: whose phone number, and to what."""

    number: str
    name: str
    mobile: str


def shop_file() -> Path:
    """Where the shop's database lies."""
    return Path(settings.VAR_DIR) / "demo" / _FILE


def allow_shop() -> None:
    """Let this process read the shop, which is on this machine."""
    settings.ALLOW_LOOPBACK_SOURCES = True
    settings.SOURCE_FILE_ROOTS = [shop_file().parent]


def environment() -> dict[str, str]:
    """What lets another process read it."""
    return {"ALLOW_LOOPBACK_SOURCES": "1", "SOURCE_FILE_ROOTS": str(shop_file().parent)}


def open_shop(entries: Sequence[Entry], *, customers: int, seed: int, now: dt.datetime) -> dict[str, int]:
    """Write the shop's database, with fans whom other systems know too; returns number -> who it truly is."""
    dice = random.Random(seed)
    fans = sorted({entry.fan.number: entry.fan for entry in entries}.values(), key=lambda fan: fan.number)
    chosen = sorted(dice.sample(fans, k=min(customers, len(fans))), key=lambda fan: fan.number)
    accounts, sales, who = [], [], {}
    for place, fan in enumerate(chosen):
        number = str(_FIRST_NUMBER + 3 * place)
        who[number] = fan.number
        since = now - dt.timedelta(days=dice.uniform(30, 900))
        accounts.append(
            (number, dice.choice(fan.names), fan.last_name, fan.email, fan.mobile, fan.home.city,
             fan.home.postcode, _text(since), _text(since))
        )  # fmt: skip
        for bought in range(dice.choice((0, 1, 1, 2))):
            sold = since + (now - since) * dice.random()
            sales.append((f"W{number}-{bought}", number, *_sold(dice, sold), _text(sold)))
    shop_file().parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(shop_file())) as shop, shop:
        shop.executescript(_TABLES)
        shop.executemany("INSERT INTO customer VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", accounts)
        shop.executemany("INSERT INTO sale VALUES (?, ?, ?, ?, ?, ?)", sales)
    return who


def connect_shop(*, now: dt.datetime) -> SourceConnection:
    """Connect the shop's ticket system to its database, which it may write as well."""
    wanted = Wanted(
        connector="sql_database",
        options={
            "url": f"sqlite:///{shop_file()}",
            "accounts_query": _ACCOUNTS.strip(),
            "purchases_query": _PURCHASES.strip(),
            "write_statement": _WRITE.strip(),
        },
        secrets={"write_url": f"sqlite:///{shop_file()}"},
        mapping=_MAPPING,
        time_zone="UTC",
    )
    return save_connection(TicketSystem.objects.get(code=SHOP.code), wanted, by=None, now=now)


def is_shop(connection: SourceConnection) -> bool:
    """Whether the connection is that of the demonstration's shop."""
    return connection.options.get("url") == f"sqlite:///{shop_file()}" and shop_file().exists()


def change_a_phone_number(*, now: dt.datetime) -> Change | None:
    """A customer of the shop gets another mobile number, as the shop's own program would write it.

    None where somebody took all customers away.
    """
    mobile = f"07700 9{random.randrange(100_000):05}"
    with closing(sqlite3.connect(shop_file())) as shop, shop:
        found = shop.execute(
            "SELECT number, forename, surname FROM customer ORDER BY random() LIMIT 1"
        ).fetchone()
        if found is None:
            return None
        number, forename, surname = found
    give_phone_number(number, mobile, now=now)
    return Change(number, f"{forename} {surname}", mobile)


def give_phone_number(number: str, mobile: str, *, now: dt.datetime) -> None:
    """This customer of the shop has this mobile number from now on, by the shop's own program."""
    with closing(sqlite3.connect(shop_file())) as shop, shop:
        shop.execute(
            "UPDATE customer SET mobile = ?, changed_at = ? WHERE number = ?", (mobile, _text(now), number)
        )


def _sold(dice: random.Random, sold: dt.datetime) -> tuple[str, str, str]:
    article, price = dice.choice(_ARTICLES)
    return article, _text(sold), price


def _text(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M:%S")

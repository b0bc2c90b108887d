"""The club's files, as its ticket systems would export them, and the truth about who is who."""

import csv
import datetime as dt
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kore_site.demo.club import BOX_OFFICE, GULLS_TICKETS, MEMBERS, SHOP, System
from kore_site.demo.live_source import open_shop
from kore_site.demo.people import REF_COLUMNS, Entry, make_entries
from kore_site.demo.spending import PURCHASE_COLUMNS, make_purchases

TRUTH_COLUMNS = ("system", "system_ref", "person")
_EARLY_SHARE = 0.6
_FIRST_DAYS_AGO = 9
_ONE_IN_SHOP = 20  # System Refs of so many are the live shop's
RETOLD = 4  # customers of whom the box office says something new


@dataclass(frozen=True)
class Delivery:
    """Files of one system that came in together: its customers, then what they bought."""

    system: System
    customers: Path
    purchases: Path
    rows: int
    lines: int
    days_ago: int


@dataclass(frozen=True)
class ClubFiles:
    """All deliveries in the order in which they came, and the file that tells who is who.

    `retold`: customers of the box office of whom the last delivery says something else than the first.
    """

    deliveries: Sequence[Delivery]
    truth: Path
    retold: Sequence[str] = ()


def write_files(folder: Path, *, refs: int, seed: int, now: dt.datetime) -> ClubFiles:
    """Write every file of the demonstration into the folder, and the shop's database; the same for the same
    arguments.

    The box office comes first with its older customers and last with its newer ones, so that no system is
    always the one that found a person first. No file knows of anything later than the day it came.
    """
    folder.mkdir(parents=True, exist_ok=True)
    in_shop = max(refs // _ONE_IN_SHOP, 1)
    entries = make_entries(refs - in_shop, seed=seed, now=now - dt.timedelta(days=_FIRST_DAYS_AGO))
    shop = open_shop(entries, customers=in_shop, seed=seed, now=now)
    of = {
        system: [e for e in entries if e.system is system] for system in (BOX_OFFICE, GULLS_TICKETS, MEMBERS)
    }
    newest_last = sorted(of[BOX_OFFICE], key=lambda entry: entry.created_at)
    early = int(len(newest_last) * _EARLY_SHARE)
    retold = _retold(newest_last[:early], seed=seed, now=now)
    plan = (
        ("1-box-office", newest_last[:early], _FIRST_DAYS_AGO, ()),
        ("2-gulls", of[GULLS_TICKETS], 6, ()),
        ("3-members", of[MEMBERS], 3, ()),
        ("4-box-office-new", newest_last[early:], 0, retold),
    )
    deliveries = [
        _write_delivery(folder, name, chosen, seed=seed, now=now, days_ago=days_ago, again=again)
        for name, chosen, days_ago, again in plan
        if chosen
    ]
    truth = folder / "truth.csv"
    in_files = [_truth_of(entry) for entry in entries]
    _write(truth, TRUTH_COLUMNS, [*in_files, *(_truth(SHOP, number, shop[number]) for number in shop)])
    return ClubFiles(deliveries, truth, [row["system_ref"] for row in retold])


def _retold(entries: Sequence[Entry], *, seed: int, now: dt.datetime) -> list[dict[str, str]]:
    """Rows of some customers with another mobile number than in their first row."""
    dice = random.Random(f"{seed}:retold")
    told = [entry.row for entry in entries if entry.row["mobile"].startswith("07700")]
    changed = (now - dt.timedelta(hours=6)).isoformat(timespec="seconds")
    numbers = [f"07700 9005{number:02}" for number in dice.sample(range(100), k=RETOLD + 1)]
    return [
        row | {"mobile": next(m for m in (number, numbers[-1]) if m != row["mobile"]), "updated_at": changed}
        for row, number in zip(told[-RETOLD:], numbers, strict=False)
    ]


def _write_delivery(
    folder: Path,
    name: str,
    entries: Sequence[Entry],
    *,
    seed: int,
    now: dt.datetime,
    days_ago: int,
    again: Sequence[dict[str, str]],
) -> Delivery:
    """A file of customers, with the rows of some who came before, and one of what these bought."""
    customers, purchases = folder / f"{name}-customers.csv", folder / f"{name}-purchases.csv"
    rows = _write(customers, REF_COLUMNS, [*(entry.row for entry in entries), *again])
    came = now - dt.timedelta(days=days_ago)
    bought = make_purchases(entries, name=name, seed=seed, today=now.date(), now=came)
    lines = _write(purchases, PURCHASE_COLUMNS, bought)
    return Delivery(entries[0].system, customers, purchases, rows, lines, days_ago)


def _truth_of(entry: Entry) -> dict[str, str]:
    return _truth(entry.system, entry.row["system_ref"], entry.fan.number)


def _truth(system: System, system_ref: str, person: int) -> dict[str, str]:
    return {"system": system.code, "system_ref": system_ref, "person": str(person)}


def _write(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> int:
    """Write the rows under a header; returns how many."""
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        for row in rows:
            writer.writerow(row)
            count += 1
    return count

"""From the database and back: a first run, an unchanged one, one after a few changes; beside the engine."""

import argparse
import datetime as dt
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kore_site.settings")
django.setup()

import pyarrow as pa  # noqa: E402
import pyarrow.compute as pc  # noqa: E402
from django.db import connection  # noqa: E402
from django.db.backends.base.base import BaseDatabaseWrapper  # noqa: E402
from django.test.utils import setup_databases, teardown_databases  # noqa: E402
from django.utils import timezone  # noqa: E402

from benchmarks.population import SYSTEMS, make_population  # noqa: E402
from benchmarks.report import report  # noqa: E402
from contacts import group_plan  # noqa: E402
from contacts.bulk import insert_table  # noqa: E402
from contacts.grouping.engine import group  # noqa: E402
from contacts.models import SystemRef  # noqa: E402
from contacts.services import (  # noqa: E402
    first_placements,
    golden_check,
    grouping_delta,
    grouping_found,
    regroup,
    regroup_writes,
)
from contacts.services.grouping_input import read_refs  # noqa: E402
from contacts.services.grouping_terms import standing_basis  # noqa: E402
from contacts.services.removal import remove_refs  # noqa: E402
from contacts.services.systems import add_business_unit, add_ticket_system  # noqa: E402

TIMES_ENGINE_FIRST = 25.0
TIMES_ENGINE_UNCHANGED = 8.0
SHARE_OF_UNCHANGED = 0.125
GOLDEN_PER_100_000 = 2.0
EDITED, ADDED, REMOVED = 0.005, 0.004, 0.001
REMOVED_AT_ONCE = 1_000
ENGINE_RUNS = 3
ARRIVED = dt.datetime(2026, 1, 5, 9, tzinfo=dt.UTC)
SETTINGS = (
    "shared_buffers",
    "work_mem",
    "maintenance_work_mem",
    "max_wal_size",
    "synchronous_commit",
    "fsync",
)


@dataclass
class Spent:
    """Seconds by the clock, of this process's processor time, and of its server's where that can be told."""

    seconds: float = 0.0
    own: float = 0.0
    server: float = 0.0

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(self.seconds + other.seconds, self.own + other.own, self.server + other.server)

    def __sub__(self, other: "Spent") -> "Spent":
        return Spent(self.seconds - other.seconds, self.own - other.own, self.server - other.server)

    def rounded(self) -> list[float]:
        """In the order of the fields."""
        return [round(self.seconds, 2), round(self.own, 2), round(self.server, 2)]


class Profile:
    """What the named parts of a run spend, each without the parts inside it."""

    def __init__(self, spent_so_far: Callable[[], Spent]) -> None:
        self.parts: dict[str, Spent] = {}
        self._spent_so_far = spent_so_far
        self._inside: list[Spent] = []

    def timed(self, label: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """The same work; what it spends is counted under the label."""

        @wraps(work)
        def counted(*args: Any, **kwargs: Any) -> Any:
            self._inside.append(Spent())
            began = self._spent_so_far()
            try:
                return work(*args, **kwargs)
            finally:
                whole = self._spent_so_far() - began
                own = whole - self._inside.pop()
                self.parts[label] = self.parts.get(label, Spent()) + own
                if self._inside:
                    self._inside[-1] += whole

        return counted

    @contextmanager
    def of(self, parts: dict[str, tuple[Any, str]]) -> Iterator[None]:
        """Count what these functions (label -> owner, name) take while the block runs."""
        plain = {label: owner.__dict__[name] for label, (owner, name) in parts.items()}
        for label, (owner, name) in parts.items():
            setattr(owner, name, self.timed(label, plain[label]))
        try:
            yield
        finally:
            for label, (owner, name) in parts.items():
                setattr(owner, name, plain[label])


def parts() -> dict[str, tuple[Any, str]]:
    """What a run consists of, by the names under which its modules call it."""
    return {
        "read": (grouping_found, "read_input"),
        "pending read": (grouping_found, "read_pending"),
        "prints read": (grouping_found, "known_prints"),
        "model": (grouping_found, "_basis"),
        "model of a delta": (grouping_found, "standing_basis"),
        "engine": (grouping_found, "group"),
        "delta, else": (grouping_found, "find_changes"),
        "delta: refs read": (grouping_delta, "read_refs"),
        "delta: keys": (grouping_delta, "keys_of"),
        "delta: kept keys": (grouping_delta, "kept_keys"),
        "delta: holders": (grouping_delta, "holders"),
        "delta: compare": (grouping_delta, "compare"),
        "delta: closure": (grouping_delta, "_closure"),
        "delta: links read": (grouping_delta, "standing_links"),
        "delta: other joinable": (grouping_delta, "_other_joinable"),
        "delta: sharers": (grouping_delta, "_with_sharers"),
        "delta: recluster": (grouping_delta, "recluster"),
        "delta: redecide": (grouping_delta, "_decided_otherwise"),
        "delta: mapping read": (grouping_found, "read_standing"),
        "plan": (group_plan.Plan, "__init__"),
        "plan: circles": (group_plan.Plan, "_circles"),
        "brake": (regroup, "look"),
        "changes, else": (regroup, "write_changes"),
        "changes: validate": (regroup_writes, "_still_valid"),
        "changes: mappings": (regroup_writes, "_write_mappings"),
        "changes: contacts": (regroup_writes, "_insert_contacts"),
        "changes: golden": (regroup_writes, "refresh_golden"),
        "changes: moves": (regroup_writes, "_record_moves"),
        "changes: aliases": (regroup_writes, "lead_on"),
        "first, else": (regroup, "write_first_placements"),
        "first: refs read": (first_placements, "_held"),
        "first: golden": (first_placements, "golden_table"),
        "first: mappings": (first_placements, "_insert_mappings"),
        "first: contacts": (first_placements, "_insert_contacts"),
        "first: moves": (first_placements, "_record_moves"),
        "links": (regroup, "write_links"),
        "links redecided": (regroup, "redecide_links"),
        "keys": (regroup, "write_keys"),
        "pending settled": (regroup, "settle_pending"),
        "golden: singles and ids": (golden_check, "_ids"),
        "golden: read": (golden_check, "read_table"),
        "golden: values": (golden_check, "golden_table"),
        "commits, with foreign keys": (BaseDatabaseWrapper, "_commit"),
    }


def main() -> int:
    """Print each figure as one JSON line; 0 when all are met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--refs", type=int, default=1_000_000)
    parser.add_argument("--profile", action="store_true", help="also where the seconds of each run go")
    options = parser.parse_args()
    databases = setup_databases(verbosity=0, interactive=False)
    try:
        met = measure(options.refs, profiled=options.profile)
    finally:
        teardown_databases(databases, verbosity=0)
    return 0 if all(met) else 1


def measure(refs: int, *, profiled: bool) -> list[bool]:
    """All figures over one population, in a database of their own."""
    later = fill(refs)
    if connection.vendor == "postgresql":
        print(json.dumps({"settings": server_settings()}))
    name = f"{refs} System Refs"
    first = seconds_of(lambda: regroup.regroup(now=timezone.now(), full=True), "first run", profiled)
    engine = engine_seconds()
    unchanged = seconds_of(lambda: regroup.regroup(now=timezone.now(), full=True), "unchanged", profiled)
    golden = seconds_of(lambda: list(golden_check.stale_golden()), "golden check", profiled)
    met = [
        report(f"engine alone, {name}: seconds", engine, target=float("inf"), at_least=False),
        times(f"first run, {name}: seconds, beside the engine", first, engine, TIMES_ENGINE_FIRST),
        times(
            f"unchanged full run, {name}: seconds, beside the engine",
            unchanged,
            engine,
            TIMES_ENGINE_UNCHANGED,
        ),
        report(
            f"golden records checked, {name}: seconds per 100,000",
            golden * 100_000 / refs,
            target=GOLDEN_PER_100_000,
            at_least=False,
        ),
    ]
    change(refs, later)
    delta = seconds_of(lambda: regroup.regroup(now=timezone.now(), full=False), "1 % changed", profiled)
    met.append(
        times(
            f"1 % changed, {name}: seconds, beside an unchanged full run",
            delta,
            unchanged,
            SHARE_OF_UNCHANGED,
        )
    )
    return met


def times(name: str, seconds: float, baseline: float, most: float) -> bool:
    """Report a figure whose target is a ratio to its baseline."""
    met = seconds <= most * baseline
    line = {"name": name, "value": round(seconds, 2), "baseline": round(baseline, 2)}
    print(json.dumps({**line, "ratio": round(seconds / baseline, 3), "target": f"<= {most}", "met": met}))
    return met


def seconds_of(work: Callable[[], Any], name: str, profiled: bool) -> float:
    """How long it takes; what its parts spend is printed when asked for, the dearest first.

    Three numbers each: seconds by the clock, of this process's processor and of the server's. They tell a
    busy machine from a slow run.
    """
    spent_so_far = meter()
    profile = Profile(spent_so_far)
    began = spent_so_far()
    with profile.of(parts() if profiled else {}):
        result = work()
    whole = spent_so_far() - began
    if profiled:
        said = result if not isinstance(result, list) else f"{len(result)} found"
        print(f"{name}: {whole.rounded()}  {said}")
        for label, spent in sorted(profile.parts.items(), key=lambda part: -part[1].seconds):
            if spent.seconds >= 0.005:
                print(f"    {label}: {spent.rounded()}")
        print(f"    rest: {(whole - sum(profile.parts.values(), Spent())).rounded()}", flush=True)
    return whole.seconds


def meter() -> Callable[[], Spent]:
    """What was spent so far, by this process and by its server if that is on this machine."""
    stat = None
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            stat = Path(f"/proc/{cursor.fetchone()[0]}/stat")
    ticks_per_second = os.sysconf("SC_CLK_TCK")

    def spent_so_far() -> Spent:
        own = os.times()
        server = 0.0
        if stat is not None and stat.exists():
            server = sum(map(int, stat.read_text().rpartition(")")[2].split()[11:13])) / ticks_per_second
        return Spent(time.perf_counter(), own.user + own.system, server)

    return spent_so_far


def engine_seconds() -> float:
    """Median of the engine alone, Arrow in and partition out, over what the database holds."""
    basis = standing_basis(now=timezone.now())
    if basis is None:
        sys.exit("The first run did not come to its end.")
    terms, refs = basis.terms, read_refs()
    taken = []
    for _ in range(ENGINE_RUNS):
        began = time.perf_counter()
        group(
            refs,
            model=terms.model,
            decisions=terms.decisions,
            excluded_systems=terms.excluded_systems,
            rules=terms.rules,
            default_country=terms.default_country,
            memory_limit=terms.memory_limit,
            threads=terms.threads,
        )
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def server_settings() -> dict[str, str]:
    """What the server was told, where it matters here."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, current_setting(name) FROM pg_settings WHERE name = ANY(%s)", [list(SETTINGS)]
        )
        return dict(cursor.fetchall())


def fill(refs: int) -> pa.Table:
    """Put the population into the empty database; returns the rows that are to arrive later."""
    unit = add_business_unit("benchmark")
    systems = [add_ticket_system(f"S{n}", name=f"S{n}", unit=unit, rank=n).pk for n in range(1, SYSTEMS + 1)]
    added = round(refs * ADDED)
    table, _truth = make_population(refs + added, 1)
    columns = {name: pc.fill_null(table[name], "") for name in table.column_names if name not in _OTHERS}
    number = table["ref_id"]
    made = pc.add(pc.multiply(number, 60_000_000), 1_500_000_000_000_000).cast(pa.timestamp("us", "UTC"))
    rows = pa.table(
        {
            "system": pa.array(systems).take(pc.subtract(table["system_id"], 1)),
            "system_ref": pc.cast(number, pa.string()),
            **columns,
            "date_of_birth": table["date_of_birth"],
            "created_at": made,
            "updated_at": made,
            "arrived_at": pa.repeat(pa.scalar(ARRIVED, pa.timestamp("us", "UTC")), table.num_rows),
            **{name: pa.repeat("", table.num_rows) for name in ("title", "language", "external_customer_id")},
            "spent_total": pa.repeat(0, table.num_rows),
            "holds_season_ticket": pa.repeat(False, table.num_rows),  # noqa: FBT003
        }
    )
    insert_table(SystemRef, rows.slice(0, refs))
    settle()
    return rows.slice(refs)


_OTHERS = ("ref_id", "system_id", "date_of_birth")


def settle() -> None:
    """What a server's own housekeeping does soon after a load."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")


def change(refs: int, later: pa.Table) -> None:
    """Half of one per cent edited, two fifths added, a tenth removed."""
    every = round(1 / EDITED)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE contacts_systemref AS stands SET last_name = other.last_name, email = other.email"
            " FROM contacts_systemref other"
            f" WHERE other.id = stands.id - {every // 2} AND MOD(stands.id, {every}) = 77"
        )
    apart = round(1 / REMOVED)
    going = [pk for pk in SystemRef.objects.order_by("pk").values_list("pk", flat=True) if pk % apart == 9]
    for start in range(0, len(going), REMOVED_AT_ONCE):
        remove_refs(going[start : start + REMOVED_AT_ONCE], now=timezone.now())
    insert_table(SystemRef, later)


if __name__ == "__main__":
    sys.exit(main())

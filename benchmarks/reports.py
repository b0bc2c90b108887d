"""How long the combined reports take beside a bare GROUP BY over the same rows, and once they are kept."""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any
from unittest.mock import patch

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kore_site.settings")
django.setup()

from django.contrib.auth.models import Group, User  # noqa: E402
from django.core.cache import cache  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import setup_databases, teardown_databases  # noqa: E402
from django.urls import reverse  # noqa: E402
from django.utils import timezone  # noqa: E402

from contacts.models import BusinessUnit, KeptFigures, SystemRef, TicketSystem  # noqa: E402
from contacts.permissions import SystemRight, grant  # noqa: E402
from contacts.services import kept_figures  # noqa: E402
from kore_site.roles import SALES_REPS  # noqa: E402
from ticketing.models import KeptReport, Purchase  # noqa: E402
from ticketing.services import kept_reports  # noqa: E402

MOST_RATIO = 3.0
SYSTEMS = 12
VISIBLE = 6
REFS_PER_CONTACT = 2
PURCHASES_PER_REF = 3
MONTHS = 60
REPEATS = 3

# The same rows under nothing but a GROUP BY: purchases by system, buyers by Contact, refs by system.
_PURCHASES = "SELECT system_id, currency, COUNT(*), SUM(amount) FROM ticketing_purchase GROUP BY 1, 2"
_BUYERS = """SELECT mapping.contact_id, COUNT(*), SUM(amount) FROM ticketing_purchase AS bought
    JOIN contacts_mapping AS mapping ON mapping.system_ref_id = bought.system_ref_id GROUP BY 1"""
_PLACED = """SELECT mapping.contact_id, ref.system_id, COUNT(*) FROM contacts_systemref AS ref
    JOIN contacts_mapping AS mapping ON mapping.system_ref_id = ref.id GROUP BY 1, 2"""
_REFS = "SELECT system_id, COUNT(*) FROM contacts_systemref GROUP BY 1"


@dataclass(frozen=True)
class Measured:
    """A report with the bare query over its rows, and what a second look may find kept."""

    key: str
    bare: str


REPORTS = (
    Measured("months", _PURCHASES),
    Measured("seasons", _PURCHASES),
    Measured("kinds", _PURCHASES),
    Measured("buyers", _BUYERS),
    Measured("newcomers", _BUYERS),
    Measured("overlap", _PLACED),
    Measured("quality", _REFS),
)


def fill(refs: int) -> None:
    """Refs of twelve systems, two to a Contact, each with a few purchases of five years; by SQL alone."""
    blank = [
        field.name
        for field in SystemRef._meta.local_fields
        if field.get_internal_type() == "CharField" and field.name not in ("system_ref", "email", "phone")
    ]
    names, blanks = ", ".join(blank), ", ".join("''" for _ in blank)
    details = [name for name in blank if name != "related_text"]
    with transaction.atomic(), connection.cursor() as cursor:
        unit = BusinessUnit.objects.create(code="bench", name="Bench")
        for number in range(1, SYSTEMS + 1):
            TicketSystem.objects.create(pk=number, code=f"S{number}", name=f"S{number}", business_unit=unit)
        cursor.execute("SET LOCAL session_replication_role = replica")  # nothing is to be grouped
        cursor.execute(
            f"""INSERT INTO contacts_systemref (id, system_id, system_ref, arrived_at, spent_total,
                holds_season_ticket, email, phone, {names})
            SELECT n, n * 7 %% {SYSTEMS} + 1, 'F' || n, now() - n %% 1500 * interval '1 day', 0, false,
                CASE WHEN n %% 5 > 0 THEN 'p' || n || '@fans.example' ELSE '' END,
                CASE WHEN n %% 3 > 0 THEN '07700 ' || n ELSE '' END, {blanks}
            FROM generate_series(1, %s) AS n""",
            [refs],
        )
        cursor.execute(
            f"""INSERT INTO contacts_contact (id, since, email, phone, {", ".join(details)})
            SELECT n, now(), '', '', {", ".join("''" for _ in details)} FROM generate_series(1, %s) AS n""",
            [refs // REFS_PER_CONTACT + 1],
        )
        cursor.execute(
            f"""INSERT INTO contacts_mapping (system_ref_id, contact_id, is_primary, primary_by, since)
            SELECT n, n / {REFS_PER_CONTACT} + 1, n %% {REFS_PER_CONTACT} = 0, 'first_found', now()
            FROM generate_series(1, %s) AS n""",
            [refs],
        )
        cursor.execute(
            f"""INSERT INTO ticketing_purchase (system_id, system_ref_id, purchase_id, event, event_on,
                purchased_at, kind, seats, amount, currency, status)
            SELECT ref * 7 %% {SYSTEMS} + 1, ref, 'P' || n, 'Match ' || n %% 200,
                CASE WHEN n %% 4 > 0 THEN date '2021-06-01' + (n * 31 %% 1800)::int END,
                timestamptz '2021-01-01' + (n::bigint * 7919 %% ({MONTHS} * 30)) * interval '1 day',
                (ARRAY['single', 'single', 'package', 'season'])[n %% 4 + 1], 2, n %% 90 + 10.5,
                CASE WHEN n %% 20 = 0 THEN 'USD' ELSE 'GBP' END,
                (ARRAY['paid', 'paid', 'paid', 'paid', 'paid', 'paid', 'refunded', 'cancelled'])[n %% 8 + 1]
            FROM (SELECT n, n %% %s + 1 AS ref FROM generate_series(1, %s) AS n) AS numbered""",
            [refs, refs * PURCHASES_PER_REF],
        )
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def p50(work: Callable[[], Any]) -> float:
    """Milliseconds."""
    seconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return round(median(seconds) * 1000, 1)


def bare(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        cursor.fetchall()


def look(client: Client, key: str, *, afresh: bool) -> None:
    """Open a report as it is sent; afresh, with nothing kept of it."""
    if afresh:
        cache.clear()
        KeptFigures.objects.all().delete()
        KeptReport.objects.all().delete()
    response = client.get(reverse("report", args=[key]))
    assert response.status_code == 200, (key, response.status_code)


def readers() -> dict[str, Client]:
    """Whoever sees every system, and a rep who sees half of them."""
    boss, _ = User.objects.get_or_create(username="boss", is_superuser=True, is_staff=True)
    rep, _ = User.objects.get_or_create(username="rep", is_staff=True)
    rep.groups.add(Group.objects.get(name=SALES_REPS))
    for number in range(1, VISIBLE + 1):
        grant(rep, SystemRight.VIEW, on=TicketSystem.objects.get(pk=number))
    clients = {}
    for user in (boss, rep):
        clients[user.username] = Client(SERVER_NAME="localhost")
        clients[user.username].force_login(user)
    return clients


def measure(report: Measured, reader: str, client: Client) -> dict[str, Any]:
    """Live, and kept as after a night before which somebody has looked."""
    bare_ms = p50(partial(bare, report.bare))
    with patch.object(kept_reports, "DEAR_SECONDS", float("inf")):
        live_ms = p50(partial(look, client, report.key, afresh=True))
    look(client, report.key, afresh=True)
    now = timezone.now()
    kept_figures.keep_figures(now=now)
    kept_reports.refresh_reports(now, lambda done, total: None)
    page = client.get(reverse("report", args=[report.key]))
    kept_ms = p50(partial(look, client, report.key, afresh=False))
    live, kept = (round(ms / bare_ms, 2) for ms in (live_ms, kept_ms))
    print(f"{report.key}, {reader}: {bare_ms} {live_ms} {kept_ms} ms", file=sys.stderr, flush=True)
    return {
        "report": report.key,
        "reader": reader,
        "bare_ms": bare_ms,
        "live_ms": live_ms,
        "kept_ms": kept_ms,
        "live_ratio": live,
        "kept_ratio": kept,
        "is_kept": page.context["built"].as_of is not None,  # and so tells its age
    }


def run(refs: int) -> bool:
    if not SystemRef.objects.exists():
        fill(refs)
    figures = [measure(report, name, client) for name, client in readers().items() for report in REPORTS]
    counted = [one["kept_ratio"] for one in figures if not one["is_kept"]]
    met = max(counted, default=0.0) <= MOST_RATIO
    print(
        json.dumps(
            {
                "name": "reports",
                "refs": refs,
                "purchases": Purchase.objects.count(),
                "systems": SYSTEMS,
                "reports": figures,
                "highest_kept_ratio": max(one["kept_ratio"] for one in figures if one["is_kept"]),
                "highest_counted_ratio": max(counted, default=0.0),
                "highest_live_ratio": max(one["live_ratio"] for one in figures),
                "target": f"each <= {MOST_RATIO} times the bare GROUP BY, or kept by the night",
                "met": met,
            }
        )
    )
    return met


def main() -> int:
    """0 when the target is met. Works in a test database of its own, which it drops unless told to keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--refs", type=int, default=1_000_000)
    parser.add_argument("--keep", action="store_true", help="leave the filled database to the next such run")
    options = parser.parse_args()
    if connection.vendor != "postgresql":
        parser.error("The figure is PostgreSQL's: set DATABASE_URL.")
    databases = setup_databases(verbosity=0, interactive=False, keepdb=options.keep, serialized_aliases=[])
    try:
        return 0 if run(options.refs) else 1
    finally:
        teardown_databases(databases, verbosity=0, keepdb=options.keep)


if __name__ == "__main__":
    sys.exit(main())

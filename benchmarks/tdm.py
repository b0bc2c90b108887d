"""What a restricted rep waits for a list, a search and a TDM page, beside a superuser asking the same."""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kore_site.settings")
django.setup()

from django.contrib.auth.models import Group, User  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import CaptureQueriesContext, setup_databases, teardown_databases  # noqa: E402
from django.urls import reverse  # noqa: E402

from benchmarks.search import fill  # noqa: E402
from contacts.list_pages import AFTER  # noqa: E402
from contacts.models import Mapping, SystemRef, TicketSystem  # noqa: E402
from contacts.permissions import SystemRight, grant  # noqa: E402
from kore_site.roles import SALES_REPS  # noqa: E402

SYSTEMS, OF_THE_REP = 12, 4
MOST_QUERIES, MOST_RATIO = 12, 1.2
ROUNDS, WARM_UP = 60, 6
Asked = Callable[[], Iterator[tuple[str, dict[str, Any]]]]

# Two purchases and a changed phone of every third ref.
BOUGHT = (
    "INSERT INTO ticketing_purchase (system_id, system_ref_id, purchase_id, event, event_on, purchased_at,"
    " kind, seats, amount, currency, status) SELECT system_id, id, id || '-' || number, 'Match ' || id % 40,"
    " DATE '2025-08-01' + (id % 300)::int, TIMESTAMPTZ '2025-06-01' + (id % 400) * INTERVAL '1 day',"
    " 'single', 2, 50, 'GBP', 'paid' FROM contacts_systemref, generate_series(1, 2) number WHERE id % 3 = 0",
    "INSERT INTO contacts_fieldchange (system_ref_id, field, before, after, origin, at)"
    " SELECT id, 'phone', '1', phone, 'import', now() FROM contacts_systemref WHERE id % 3 = 0",
)


def fill_unless_kept(refs: int) -> None:
    """The population in twelve systems, with purchases; left by an earlier run with --keep, or made now."""
    kept = SystemRef.objects.count()
    if kept not in (0, refs):
        raise SystemExit(f"The database that was kept holds {kept:,} refs; a run without --keep drops it.")
    if kept:
        return
    started = time.perf_counter()
    fill(refs, systems=SYSTEMS)
    with connection.cursor() as cursor:
        for statement in BOUGHT:
            cursor.execute(statement)
        cursor.execute("VACUUM ANALYZE")
    print(f"Filled in {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)


def people() -> tuple[User, User]:
    """A superuser, and a rep who sees and changes a third of the systems."""
    boss, _ = User.objects.get_or_create(username="boss", is_superuser=True, is_staff=True)
    rep, _ = User.objects.get_or_create(username="rep", is_staff=True)
    rep.groups.add(Group.objects.get(name=SALES_REPS))
    for system in TicketSystem.objects.order_by("pk")[:OF_THE_REP]:
        for right in SystemRight:
            grant(rep, right, on=system)
    return boss, rep


def seen_refs(rep: User) -> Sequence[SystemRef]:
    """Refs that both may see, spread over the whole population."""
    seen = SystemRef.objects.visible_to(rep).exclude(email="").exclude(last_name="").order_by("pk")
    step = max(seen.count() // (ROUNDS + WARM_UP), 1)
    return list(seen[::step][: ROUNDS + WARM_UP])


def pages(refs: Sequence[SystemRef]) -> dict[str, Asked]:
    """What is asked for, by name; each time another list page, word or contact."""
    contacts = reverse("admin:contacts_contact_changelist")
    placed = dict(Mapping.objects.filter(system_ref__in=refs).values_list("system_ref", "contact"))

    def lists() -> Iterator[tuple[str, dict[str, Any]]]:
        # As it opens, as people turn it on from some contact, and a page far in by its number.
        for number, ref in enumerate(refs):
            yield contacts, ({}, {AFTER: placed[ref.pk]}, {"p": number % 10 + 1})[number % 3]

    def searches() -> Iterator[tuple[str, dict[str, Any]]]:
        for number, ref in enumerate(refs):
            words = (ref.email, f"{ref.first_name} {ref.last_name}", ref.system_ref, ref.last_name)
            yield contacts, {"q": words[number % len(words)]}

    def finds() -> Iterator[tuple[str, dict[str, Any]]]:
        for number, ref in enumerate(refs):
            words = (ref.email, f"{ref.first_name} {ref.last_name}", ref.system_ref, ref.last_name)
            yield reverse("tdm:find"), {"q": words[number % len(words)]}

    def fans() -> Iterator[tuple[str, dict[str, Any]]]:
        for ref in refs:
            yield reverse("tdm:contact", args=[placed[ref.pk]]), {}

    return {"list": lists, "search": searches, "tdm search": finds, "tdm page": fans}


def measure(name: str, asked: Asked, clients: Sequence[Client]) -> dict[str, Any]:
    """Both ask the same in turn, each first every other time; the queries are the rep's most."""
    seconds: list[list[float]] = [[], []]
    queries = 0
    for number, (address, query) in enumerate(asked()):
        for who in (0, 1) if number % 2 else (1, 0):
            taken = _timed(clients[who], address, query)
            if number >= WARM_UP:
                seconds[who].append(taken)
        if number < WARM_UP:
            with CaptureQueriesContext(connection) as captured:
                clients[1].get(address, query)
            queries = max(queries, len(captured))
    superuser, rep = (median(each) * 1000 for each in seconds)
    ratio = rep / superuser
    return {
        "name": name,
        "queries": queries,
        "p50_ms": round(rep, 1),
        "superuser_p50_ms": round(superuser, 1),
        "ratio": round(ratio, 2),
        "met": queries <= MOST_QUERIES and ratio <= MOST_RATIO,
    }


def _timed(client: Client, address: str, query: dict[str, Any]) -> float:
    started = time.perf_counter()
    response = client.get(address, query)
    taken = time.perf_counter() - started
    if response.status_code != 200:
        raise AssertionError(f"{address} answered {response.status_code}")
    return taken


def run(refs: int) -> bool:
    fill_unless_kept(refs)
    users = people()
    clients = [Client(SERVER_NAME="localhost") for _ in users]
    for client, user in zip(clients, users, strict=True):
        client.force_login(user)
    figures = []
    for name, asked in pages(seen_refs(users[1])).items():
        figures.append(measure(name, asked, clients))
        print(json.dumps(figures[-1]), flush=True)
    return all(figure["met"] for figure in figures)


def main() -> int:
    """0 when every target is met. Works in a test database of its own, which it drops unless told to keep."""
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

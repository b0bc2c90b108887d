"""How fast a search finds among many System Refs, beside the same columns searched by the stock admin."""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from statistics import median
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kore_site.settings")
django.setup()

import pyarrow as pa  # noqa: E402
from django.contrib import admin  # noqa: E402
from django.contrib.auth.models import Group, User  # noqa: E402
from django.core.paginator import Paginator  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.db.models import QuerySet  # noqa: E402
from django.test import Client, RequestFactory  # noqa: E402
from django.test.utils import setup_databases, teardown_databases  # noqa: E402
from django.urls import reverse  # noqa: E402
from pyarrow import csv  # noqa: E402

from benchmarks.population import SYSTEMS, make_population  # noqa: E402
from contacts.list_pages import AFTER, END, ListPages, Order  # noqa: E402
from contacts.models import BusinessUnit, Contact, SystemRef, TicketSystem  # noqa: E402
from contacts.models.person_details import DETAIL_FIELDS  # noqa: E402
from contacts.permissions import SystemRight, grant  # noqa: E402
from contacts.search_index import GIN_INDEX, make_search_index  # noqa: E402
from kore_site.roles import SALES_REPS  # noqa: E402

LEAST_RATIO = 10.0
MEDIAN_RATIO = 20.0
PER_PAGE = 50
REPEATS = 5
COLUMNS = (
    "system_ref",
    "first_name",
    "last_name",
    "email",
    "company",
    "city",
    "postcode",
    "external_customer_id",
    "phone",
    "mobile",
)


@dataclass(frozen=True)
class Term:
    """What is typed, and what the stock admin has to be given for it where it knows no notations."""

    name: str
    text: str
    stock: str = ""


class StockRefs(admin.ModelAdmin):
    """As someone writes it who follows Django's manual."""

    search_fields = COLUMNS


class StockContacts(admin.ModelAdmin):
    search_fields = tuple(f"mappings__system_ref__{column}" for column in COLUMNS)


class StockDigits(admin.ModelAdmin):
    """For a number: over the text in which phones stand without blanks; a GroupID may stand in them too."""

    search_fields = ("=pk", "mappings__system_ref__search_text")


def fill(refs: int, *, systems: int = SYSTEMS) -> None:
    """The synthetic population, each person one Contact; by COPY and SQL alone.

    In five systems as it was made, or dealt out to another number of them.
    """
    place = "system" if systems == SYSTEMS else f"1 + id % {systems:d}"
    table, people = make_population(refs, 1)
    unit = BusinessUnit.objects.create(code="bench", name="Bench")
    for number in range(1, systems + 1):
        TicketSystem.objects.create(pk=number, code=f"S{number}", name=f"S{number}", business_unit=unit)
    numbers = pa.array([f"F{row * 7919 % 9_999_991:07d}" for row in range(1, refs + 1)])
    table = table.append_column("person", people["person"]).append_column("system_ref", numbers)
    typed = [name for name in DETAIL_FIELDS if name in table.column_names]
    blank = [name for name in DETAIL_FIELDS if name not in typed]
    details, blanks = ", ".join(typed + blank), ", ".join(["''"] * len(blank))
    written = f"{', '.join(typed)}, {blanks}"
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SET LOCAL session_replication_role = replica"
        )  # no triggers: nothing is to be grouped
        cursor.execute(f"DROP INDEX IF EXISTS {GIN_INDEX}")
        kinds = ", ".join(f"{name} {'date' if name == 'date_of_birth' else 'text'}" for name in typed)
        cursor.execute(
            "CREATE TEMP TABLE typed (id int, system int, person int, system_ref text, "
            f"{kinds}) ON COMMIT DROP"
        )
        columns = ["ref_id", "system_id", "person", "system_ref", *typed]
        buffer = BytesIO()
        csv.write_csv(table.select(columns), buffer)
        texts = ", ".join(name for name in typed if name != "date_of_birth")
        with cursor.copy(f"COPY typed FROM STDIN (FORMAT csv, HEADER, FORCE_NOT_NULL ({texts}))") as copy:
            copy.write(buffer.getvalue())
        cursor.execute(
            f"INSERT INTO contacts_systemref (id, system_id, system_ref, arrived_at, spent_total, "
            f"holds_season_ticket, {details}) "
            f"SELECT id, {place}, system_ref, now(), 0, false, {written} FROM typed ORDER BY id"
        )
        cursor.execute(
            f"INSERT INTO contacts_contact (id, since, {details}) "
            f"SELECT DISTINCT ON (person) person + 1, now(), {written} FROM typed ORDER BY person, id"
        )
        cursor.execute(
            "INSERT INTO contacts_mapping (system_ref_id, contact_id, is_primary, primary_by, since) "
            "SELECT id, person + 1, id = min(id) OVER (PARTITION BY person), 'first_found', now() FROM typed"
        )
    make_search_index()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def terms() -> tuple[list[Term], list[Term]]:
    """What people search for, of three characters and more, and of fewer; some of it drawn from the rows."""
    rows = SystemRef.objects.exclude(email="").exclude(postcode="")
    ref = rows.filter(mobile__startswith="0777").order_by("pk")[100]
    number = ref.mobile.lstrip("0")
    employed = SystemRef.objects.exclude(company="").order_by("pk")[100]
    longer = [
        Term("last name", "thornerton"),
        Term("common last name", "smith"),
        Term("first name", "Niamh"),
        Term("first and last name", f"{ref.first_name} {ref.last_name}"),
        Term("two common names", "john smith"),
        Term("umlaut", "müller"),
        Term("apostrophe", "o'brien"),
        Term("whole e-mail", ref.email),
        Term("part of an e-mail", ref.email.split("@")[0][:-1]),
        Term("mobile in another notation", f"(+44) {number[:4]}-{number[4:]}", stock=number),
        Term("part of a phone", number[:7]),
        Term("postcode", ref.postcode.split()[0] + " " + ref.postcode.split()[-1]),
        Term("System Ref", ref.system_ref),
        Term("GroupID", str(ref.mapping.contact_id)),
        Term("company", employed.company),
        Term("very common", "example"),
        Term("no hit", "zzxqzzy"),
    ]
    return longer, [Term("one letter", "q"), Term("two letters", "ng"), Term("common letter", "e")]


def our_page(
    search: Callable[[], QuerySet], first: Callable[[QuerySet], Sequence[int]]
) -> tuple[list[int], int]:
    """Ids of the first page and the count, as the list asks for them, from the typed words on."""
    rows = search()
    pages = ListPages(rows, Order(), per_page=PER_PAGE, first=first(rows))
    return list(pages.page({}).ids), pages.count


def stock_rows(model_admin: admin.ModelAdmin, text: str) -> QuerySet:
    """As ChangeList.get_queryset makes them; each word by itself, as any of a person's refs may hold it."""
    request = RequestFactory().get("/")
    rows = model_admin.model._default_manager.order_by("-pk")
    for word in text.split():
        found, may_repeat = model_admin.get_search_results(request, rows, word)
        rows = rows.filter(pk__in=found.order_by().values("pk")) if may_repeat else found
    return rows


def stock_page(rows: QuerySet) -> tuple[list[int], int]:
    """Ids of the first page and the count, as the stock admin asks for them."""
    paginator = Paginator(rows.values_list("pk", flat=True), PER_PAGE)
    return list(paginator.page(1).object_list), paginator.count


def p50(work: Callable[[], Any], repeats: int) -> float:
    """Milliseconds."""
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return round(median(seconds) * 1000, 1)


def compare(
    term: Term,
    ours: Callable[[], QuerySet],
    stock: QuerySet,
    *,
    first: Callable[[QuerySet], Sequence[int]],
    repeats: int,
) -> dict[str, Any]:
    """The figures of one term, once both are seen to find the same rows."""
    found, wanted = (set(rows.order_by().values_list("pk", flat=True)) for rows in (ours(), stock))
    if found != wanted:
        raise AssertionError(f"{term.name}: {len(found)} found, {len(wanted)} by the stock admin")
    ours_ms = p50(lambda: our_page(ours, first), REPEATS)
    stock_ms = p50(lambda: stock_page(stock.all()), repeats)
    ratio = round(stock_ms / ours_ms, 1)
    print(f"{term.name}: {len(found)} rows, {ours_ms} ms, {stock_ms} ms", file=sys.stderr, flush=True)
    return {"term": term.name, "rows": len(found), "ours_ms": ours_ms, "stock_ms": stock_ms, "ratio": ratio}


def compare_refs(term: Term, user: User) -> dict[str, Any]:
    refs = SystemRef.objects.visible_to(user)
    ours = partial(refs.search, term.text, default_country="GB")
    stock = stock_rows(StockRefs(SystemRef, admin.site), term.stock or term.text)
    return compare(term, ours, stock, first=lambda rows: (), repeats=3)


def compare_contacts(term: Term, user: User) -> dict[str, Any]:
    """The stock admin, which takes many times as long here, is measured once."""
    contacts = Contact.objects.visible_to(user)
    ours = partial(contacts.search_at_once, term.text, user, default_country="GB")
    columns = StockDigits if term.name == "GroupID" else StockContacts
    stock = stock_rows(columns(Contact, admin.site), term.stock or term.text)

    def first(rows: Any) -> Sequence[int]:
        return list(rows.exactly(term.text, user).values_list("pk", flat=True))

    return compare(term, ours, stock, first=first, repeats=1)


def measure_lists() -> dict[str, dict[str, float]]:
    """The pages of the list of contacts as they are sent, at their p50 in milliseconds."""
    address = reverse("admin:contacts_contact_changelist")
    middle = Contact.objects.order_by("-pk").values_list("pk", flat=True)
    deep = middle[min(5_000 * PER_PAGE, middle.count() // 2)]
    rep, _ = User.objects.get_or_create(username="rep", is_staff=True)
    rep.groups.add(Group.objects.get(name=SALES_REPS))
    grant(rep, SystemRight.VIEW, on=TicketSystem.objects.get(pk=1))
    asked = {
        "first": {},
        "page 5,000": {AFTER: deep, "p": 5_000},
        "last": {END: 1},
        "by name": {"o": 1},
        "by name, page 5,000": {AFTER: deep, "p": 5_000, "o": 1},
    }
    figures = {}
    for user in (User.objects.get(username="boss"), rep):
        client = Client(SERVER_NAME="localhost")
        client.force_login(user)
        figures[user.username] = {
            name: p50(partial(client.get, address, query), REPEATS) for name, query in asked.items()
        }
    return figures


def fill_unless_kept(refs: int) -> None:
    """Fill the database, unless an earlier run with --keep has left it filled with as many refs."""
    kept = SystemRef.objects.count()
    if kept not in (0, refs):
        raise SystemExit(f"The database that was kept holds {kept:,} refs; a run without --keep drops it.")
    if kept:
        print("Filled by an earlier run", file=sys.stderr, flush=True)
        return
    started = time.perf_counter()
    fill(refs)
    print(f"Filled in {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)


def run(refs: int) -> bool:
    fill_unless_kept(refs)
    user, _ = User.objects.get_or_create(username="boss", is_superuser=True, is_staff=True)
    longer, short = terms()
    # A System Ref has no GroupID.
    by_ref = [compare_refs(term, user) for term in longer if term.name != "GroupID"]
    short_by_ref = [compare_refs(term, user) for term in short]
    by_contact = [compare_contacts(term, user) for term in longer]
    short_by_contact = [compare_contacts(term, user) for term in short]
    ratios = [figure["ratio"] for figure in by_ref + by_contact]
    short_ratios = [figure["ratio"] for figure in short_by_ref + short_by_contact]
    met = min(ratios) >= LEAST_RATIO and median(ratios) >= MEDIAN_RATIO and min(short_ratios) >= 1
    figures = {
        "name": "search",
        "refs": refs,
        "terms": by_ref,
        "contact_terms": by_contact,
        "least_ratio": min(ratios),
        "median_ratio": round(median(ratios), 1),
        "short_terms": short_by_ref,
        "short_contact_terms": short_by_contact,
        "least_short_ratio": min(short_ratios),
        "list_ms": measure_lists(),
        "target": f"each >= {LEAST_RATIO}, median >= {MEDIAN_RATIO}, one and two characters >= 1",
        "met": met,
    }
    print(json.dumps(figures))
    return met


def main() -> int:
    """0 when every target is met. Works in a test database of its own, which it drops unless told to keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--refs", type=int, default=1_000_000)
    parser.add_argument("--keep", action="store_true", help="leave the filled database to the next such run")
    options = parser.parse_args()
    if connection.vendor != "postgresql":
        parser.error("The figure is PostgreSQL's: set DATABASE_URL.")
    # Nothing is serialised: a database that was kept would be read into memory whole.
    databases = setup_databases(verbosity=0, interactive=False, keepdb=options.keep, serialized_aliases=[])
    try:
        return 0 if run(options.refs) else 1
    finally:
        teardown_databases(databases, verbosity=0, keepdb=options.keep)


if __name__ == "__main__":
    sys.exit(main())

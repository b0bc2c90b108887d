"""How fast a source is pulled, PostgreSQL to PostgreSQL, beside COPY of the same rows into our table.

Needs DATABASE_URL with a role that may create databases; makes two of its own beside it and drops them.
"""

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

os.environ["ALLOW_LOOPBACK_SOURCES"] = "1"
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kore_site.settings")

import django  # noqa: E402

django.setup()

import psycopg  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.test.utils import setup_databases, teardown_databases  # noqa: E402
from django.utils import timezone  # noqa: E402

from contacts.bulk import reserve_ids  # noqa: E402
from contacts.models import FieldChange, SystemRef  # noqa: E402
from contacts.services.systems import add_business_unit, add_ticket_system  # noqa: E402
from ticketing.models import PullRun, SourceConnection  # noqa: E402
from ticketing.services.connections import Wanted, save_connection  # noqa: E402
from ticketing.services.pull import pull  # noqa: E402

MOST_TIMES_COPY = 4.0
MOST_OF_FIRST_LOAD = 0.01
MOST_GROWTH_MIB = 64.0
CHANGED = 1_000
FEW = 10_000
_COLUMNS = (
    "system_ref, title, first_name, last_name, email, phone, mobile, company, address1, address2, city, "
    "postcode, country, date_of_birth, language, external_customer_id, created_at, updated_at"
)
_TABLE = """
CREATE TABLE customers AS SELECT
    n::text AS system_ref, CASE n % 2 WHEN 0 THEN 'Mr' ELSE 'Ms' END AS title,
    (ARRAY['Ann','Bo','Chidi','Dörte','Elif','Femi','Grace','Hal','Ines','Jo'])[n % 10 + 1] AS first_name,
    (ARRAY['Marlow','Okafor','Reyes','Müller','Hall','Ng','Diaz','Laurent','Byrne'])[n % 9 + 1]
        || ' ' || left(md5(n::text), 6) AS last_name,
    'fan' || n || '@example.org' AS email, '+44 20 7946 ' || lpad((n % 10000)::text, 4, '0') AS phone,
    '07700 ' || 900000 + n % 100000 AS mobile, CASE n % 5 WHEN 0 THEN 'Quay & Co' ELSE '' END AS company,
    n % 300 + 1 || ' Quay Street' AS address1, ''::text AS address2, 'Leeds'::text AS city,
    'LS' || n % 20 + 1 || ' ' || n % 9 + 1 || 'AB' AS postcode, 'GB'::text AS country,
    date '1950-01-02' + n % 20000 AS date_of_birth, 'en-GB'::text AS language,
    'X' || n AS external_customer_id,
    timestamptz '2019-03-01 10:00+00' + n % 28 * interval '1 day' AS created_at,
    timestamptz '2026-02-01 09:30+00' + n % 28 * interval '1 day' AS updated_at
FROM generate_series(1, ROWS) n;
ALTER TABLE customers ADD PRIMARY KEY (system_ref);
CREATE INDEX ON customers (updated_at);
ANALYZE customers;
"""


@contextmanager
def source(rows: int) -> Iterator[str]:
    """A database of customers on our own server; gives its name, and drops it in the end."""
    name = f"{connection.settings_dict['NAME']}_source"
    with closing(_server()) as server:
        server.execute(f'DROP DATABASE IF EXISTS "{name}"')
        server.execute(f'CREATE DATABASE "{name}"')
        try:
            with closing(_server(name)) as database:
                database.execute(_TABLE.replace("ROWS", str(rows)))
            yield name
        finally:
            server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _server(name: str = "postgres") -> psycopg.Connection:
    given = connection.settings_dict
    return psycopg.connect(
        host=given["HOST"] or None,
        port=given["PORT"] or None,
        user=given["USER"],
        password=given["PASSWORD"] or None,
        dbname=name,
        autocommit=True,
    )


def copy_seconds(database: str, path: Path) -> float:
    """COPY of the same rows, made ready in a file before, into the System Ref table as it is."""
    system = add_ticket_system("BASE", name="Baseline", unit=add_business_unit("baseline"))
    ready = (
        f"COPY (SELECT row_number() OVER () + %s, {system.pk}, {_COLUMNS}, now(), 0, FALSE FROM customers) "
        "TO STDOUT"
    )
    with closing(_server(database)) as theirs, path.open("wb") as file:
        [count] = theirs.execute("SELECT count(*) FROM customers").fetchone() or [0]
        with transaction.atomic():
            first = reserve_ids(SystemRef, count)[0]
        with theirs.cursor() as cursor, cursor.copy(ready % (first - 1)) as copy:
            for block in copy:
                file.write(block)
    began = time.perf_counter()
    with transaction.atomic(), connection.cursor() as cursor, path.open("rb") as file:
        names = f"id, system_id, {_COLUMNS}, arrived_at, spent_total, holds_season_ticket"
        if "related_text" in {field.column for field in SystemRef._meta.concrete_fields}:
            cursor.execute("ALTER TABLE contacts_systemref ALTER related_text SET DEFAULT ''")
        with cursor.copy(f"COPY contacts_systemref ({names}) FROM STDIN") as copy:
            while block := file.read(1 << 16):
                copy.write(block)
    return time.perf_counter() - began


def connect(database: str) -> SourceConnection:
    """Our connection to the customers."""
    given = connection.settings_dict
    host = f"{given['HOST'] or '127.0.0.1'}:{given['PORT'] or 5432}"
    system = add_ticket_system("OURS", name="Ours", unit=add_business_unit("benchmark"))
    query = f"SELECT {_COLUMNS} FROM customers WHERE updated_at >= :since"
    wanted = Wanted(
        connector="sql_database",
        options={"url": f"postgresql://{given['USER']}@{host}/{database}", "accounts_query": query},
        secrets={"password": given["PASSWORD"]} if given["PASSWORD"] else {},
        list_hours=0,
    )
    return save_connection(system, wanted, by=None, now=timezone.now())


def pull_seconds(source_connection: SourceConnection, **expected: int) -> tuple[float, PullRun]:
    """Seconds of a pull, which must come to these counts; grouping apart."""
    began = time.perf_counter()
    run = pull(source_connection, trigger=PullRun.Trigger.COMMAND, clock=timezone.now)
    seconds = time.perf_counter() - began
    found = {name: count for name, count in run.counts.items() if count}
    if run.state != PullRun.State.DONE or found != expected:
        sys.exit(f"The pull came to {run.state}, {found}, {run.message} instead of {expected}.")
    return seconds, run


def peak_mib() -> float:
    """The most memory that this process has had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(rows: int) -> dict[str, object]:
    """Few rows first, for the memory; then COPY, the first load, and a pull of a few changed rows."""
    databases = setup_databases(verbosity=0, interactive=False)
    try:
        with source(FEW) as few:
            theirs = connect(few)
            pull_seconds(theirs, downloaded=FEW, created=FEW)
            memory_of_few = peak_mib()
            _empty()
        with source(rows) as database, tempfile.TemporaryDirectory() as folder:
            baseline = copy_seconds(database, Path(folder) / "rows")
            _empty()
            theirs = connect(database)
            first, run = pull_seconds(theirs, downloaded=rows, created=rows)
            growth = peak_mib() - memory_of_few
            with closing(_server(database)) as box:
                box.execute(
                    "UPDATE customers SET phone = '0113 ' || system_ref, updated_at = now() "
                    f"WHERE system_ref::int % {max(rows // CHANGED, 1)} = 0"
                )
            _settle()
            again, second = pull_seconds(theirs, downloaded=CHANGED, changed=CHANGED)
            history = FieldChange.objects.count()
    finally:
        connection.close()
        teardown_databases(databases, verbosity=0)
    return {
        "name": "first load and a pull of 1,000 changed rows, PostgreSQL to PostgreSQL, beside COPY",
        "rows": rows,
        "copy_seconds": round(baseline, 2),
        "first_load_seconds": round(first, 2),
        "first_load_phases": run.seconds,
        "ratio": round(first / baseline, 2),
        "target": MOST_TIMES_COPY,
        "changed_seconds": round(again, 3),
        "changed_phases": second.seconds,
        "changed_of_first_load": round(again / first, 5),
        "changed_target": MOST_OF_FIRST_LOAD,
        "history_rows": history,
        "memory_growth_mib": round(growth, 1),
        "met": first <= MOST_TIMES_COPY * baseline
        and again <= MOST_OF_FIRST_LOAD * first
        and growth <= MOST_GROWTH_MIB,
    }


def _empty() -> None:
    """Begin anew: no refs, and none of the connections and systems that were made for them."""
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE contacts_systemref, contacts_businessunit, django_q_schedule CASCADE")


def _settle() -> None:
    """What the autovacuum does in the hour between two pulls."""
    with connection.cursor() as cursor:
        for table in ("contacts_systemref", "contacts_systemrefprint", "ticketing_stagedrow"):
            cursor.execute(f"VACUUM ANALYZE {table}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    figure = measure(parser.parse_args().rows)
    print(json.dumps(figure))
    sys.exit(0 if figure["met"] else 1)

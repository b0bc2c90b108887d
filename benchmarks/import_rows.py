"""How fast a file of System Refs goes in, with history, beside django-import-export's default resource."""

import argparse
import csv
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kore_site.settings")
django.setup()

import tablib  # noqa: E402
from django.test.utils import setup_databases, teardown_databases  # noqa: E402
from django.utils import timezone  # noqa: E402
from import_export.resources import ModelResource  # noqa: E402

from contacts.importers import IMPORTERS  # noqa: E402
from contacts.models import FieldChange, Job, SystemRef, TicketSystem  # noqa: E402
from contacts.services.arrivals import Admitted  # noqa: E402
from contacts.services.imports import ImportOptions, admit_chunk, open_import  # noqa: E402
from contacts.services.systems import add_business_unit, add_ticket_system  # noqa: E402

TARGET = 50.0
MOST_EXTRA_MIB = 64.0
BASELINE_ROWS = 3_000
_FIRST = ("Ann", "Bo", "Chidi", "Dörte", "Elif", "Femi", "Grace", "Hal", "Ines", "Jo")
_LAST = ("Marlow", "Okafor", "Reyes", "Müller", "Yılmaz", "Hall", "Ng", "Diaz", "Laurent", "Byrne")
_COUNTRIES = ("GB", "GBR", "United Kingdom", "DE", "Ireland")


def rows(count: int, *, prefix: str = "") -> Iterator[dict[str, str]]:
    """Filled rows as a ticketing system exports them."""
    for n in range(count):
        first, last = _FIRST[n % 10], _LAST[n // 10 % 10]
        yield {
            "system_ref": f"{prefix}{n}",
            "title": "Ms" if n % 2 else "Mr",
            "first_name": first,
            "last_name": last,
            "email": f"{first}.{last}{n}@example.org".lower(),
            "phone": f"+44 20 7946 {n % 10_000:04d}",
            "mobile": f"07700 {900_000 + n % 100_000}",
            "company": "" if n % 5 else f"{last} & Co",
            "address1": f"{n % 300 + 1} Quay Street",
            "address2": "",
            "city": "Leeds",
            "postcode": f"LS{n % 20 + 1} {n % 9 + 1}AB",
            "country": _COUNTRIES[n % 5],
            "date_of_birth": (date(1950, 1, 2) + timedelta(days=n % 20_000)).isoformat(),
            "language": "en-GB",
            "external_customer_id": f"X{n}",
            "created_at": f"2019-03-{n % 28 + 1:02d} 10:00:00",
            "updated_at": f"2026-02-{n % 28 + 1:02d} 09:30:00",
        }


class DefaultResource(ModelResource):
    """What someone writes who follows the library's manual; one history row a creation is not even kept."""

    class Meta:
        model = SystemRef
        import_id_fields = ("system", "system_ref")
        fields = ("system", *next(rows(1)), "arrived_at")


def write_file(path: Path, count: int, *, change: int | None = None) -> None:
    """A file of `count` rows, of which one may have another first name."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(next(rows(1))))
        writer.writeheader()
        for n, row in enumerate(rows(count)):
            writer.writerow({**row, "first_name": "Changed"} if n == change else row)


def bring_in(path: Path, system: TicketSystem) -> tuple[dict[str, int], float]:
    """The counts of an import as the command does it, and its seconds."""
    began, total = time.perf_counter(), Admitted()
    with path.open("rb") as stream:
        importer, now = IMPORTERS[Job.Kind.IMPORT_SYSTEM_REFS], timezone.now()
        file = open_import(stream, importer=importer, system=system, options=ImportOptions(), now=now)
        for chunk in file.chunks():
            total.add(admit_chunk(chunk, importer=importer, system=system, now=now))
    return total.counts, time.perf_counter() - began


def peak_mib() -> float:
    """The most memory that this process has had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def ours_per_second(path: Path, system: TicketSystem, count: int) -> tuple[float, float]:
    """Rows a second from the file to committed rows and history, and the growth of the peak memory in MiB."""
    before = peak_mib()
    _, seconds = bring_in(path, system)
    after = peak_mib()
    written = SystemRef.objects.filter(system=system).count()
    history = FieldChange.objects.filter(system_ref__system=system).count()
    if (written, history) != (count, count):
        sys.exit(f"{written} refs and {history} history rows were written instead of {count} each.")
    return count / seconds, after - before


def baseline_per_second(system: TicketSystem, count: int = BASELINE_ROWS) -> float:
    """Rows a second of the default resource, over few rows: it is slow, and steady in their number."""
    moment = timezone.now().strftime("%Y-%m-%d %H:%M:%S")
    data = tablib.Dataset(headers=["system", *next(rows(1)), "arrived_at"])
    for row in rows(count):
        country = {"GBR": "GB", "United Kingdom": "GB", "Ireland": "IE"}.get(row["country"], row["country"])
        data.append([system.pk, *{**row, "country": country}.values(), moment])
    began = time.perf_counter()
    DefaultResource().import_data(data, raise_errors=True, use_transactions=True)
    return count / (time.perf_counter() - began)


def measure(count: int) -> dict[str, object]:
    """Both in a database of their own beside that of DATABASE_URL, which is left alone."""
    databases = setup_databases(verbosity=0, interactive=False)
    try:
        unit = add_business_unit("benchmark")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "fans.csv"
            write_file(path, count)
            value, extra_mib = ours_per_second(path, add_ticket_system("OURS", name="Ours", unit=unit), count)
        baseline = baseline_per_second(add_ticket_system("BASE", name="Baseline", unit=unit))
    finally:
        teardown_databases(databases, verbosity=0)
    ratio = value / baseline
    return {
        "name": "import rows per second, beside import-export's default resource",
        "value": round(value),
        "baseline": round(baseline),
        "baseline_rows": BASELINE_ROWS,
        "ratio": round(ratio, 1),
        "target": TARGET,
        "extra_mib": round(extra_mib, 1),
        "met": ratio >= TARGET and extra_mib <= MOST_EXTRA_MIB,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    figure = measure(parser.parse_args().rows)
    print(json.dumps(figure))
    sys.exit(0 if figure["met"] else 1)

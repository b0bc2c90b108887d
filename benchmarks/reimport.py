"""How fast a file comes in again with one row changed, beside the library's default resource."""

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.import_rows import (  # first: it sets Django up
    BASELINE_ROWS,
    MOST_EXTRA_MIB,
    baseline_per_second,
    bring_in,
    peak_mib,
    write_file,
)

from django.db import connection  # isort: skip
from django.test.utils import setup_databases, teardown_databases  # isort: skip

from contacts.models import TicketSystem  # isort: skip
from contacts.services.systems import add_business_unit, add_ticket_system  # isort: skip

REIMPORT_TARGET = 200.0
FIRST_IMPORT_TARGET = 15.0
ROUNDS = 3  # of which the median counts: other work on the machine comes and goes


def first_import(folder: Path, system: TicketSystem, count: int) -> float:
    """Rows a second of the file's first import."""
    path = folder / "first.csv"
    write_file(path, count)
    counts, seconds = bring_in(path, system)
    _expect(counts, created=count)
    return count / seconds


def reimport(folder: Path, system: TicketSystem, count: int, *, round: int) -> float:
    """Rows a second of the same file, one row of which has changed since the last round."""
    path = folder / f"round{round}.csv"
    write_file(path, count, change=count // 2 if round % 2 == 0 else None)
    counts, seconds = bring_in(path, system)
    _expect(counts, changed=1, unchanged=count - 1)
    return count / seconds


def page_cache_mib() -> float:
    """What SQLite, living in this process, may keep of the file in memory by our settings."""
    if connection.vendor != "sqlite":
        return 0.0
    with connection.cursor() as cursor:
        [size] = cursor.execute("PRAGMA cache_size").fetchone()
        [page] = cursor.execute("PRAGMA page_size").fetchone()
    return (-size * 1024 if size < 0 else size * page) / 1024 / 1024


def _expect(counts: dict[str, int], **expected: int) -> None:
    found = {name: number for name, number in counts.items() if number}
    if found != expected:
        sys.exit(f"The import came to {found} instead of {expected}.")


def measure(count: int) -> dict[str, object]:
    """Ours and the baseline by turns, in a database of their own beside that of DATABASE_URL."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if connection.vendor == "sqlite":  # a file, as in use, not a memory
            connection.settings_dict["TEST"]["NAME"] = str(folder / "benchmark.sqlite3")
        databases = setup_databases(verbosity=0, interactive=False)
        try:
            unit = add_business_unit("benchmark")
            ours = add_ticket_system("OURS", name="Ours", unit=unit)
            theirs = add_ticket_system("BASE", name="Baseline", unit=unit)
            page_cache = page_cache_mib()
            before = peak_mib()
            first = first_import(folder, ours, count)
            theirs_first = baseline_per_second(theirs)
            again, theirs_again = [], []
            extra_mib = 0.0
            for number in range(ROUNDS):
                again.append(reimport(folder, ours, count, round=number))
                extra_mib = max(extra_mib, peak_mib() - before)
                theirs_again.append(baseline_per_second(theirs, BASELINE_ROWS // ROUNDS))
        finally:
            teardown_databases(databases, verbosity=0)
    figures = {
        "reimport": _beside(statistics.median(again), statistics.median(theirs_again), REIMPORT_TARGET),
        "first_import": _beside(first, theirs_first, FIRST_IMPORT_TARGET),
    }
    return {
        "name": "import and unchanged re-import, rows per second, beside import-export's default resource",
        "database": connection.vendor,
        "rows": count,
        "baseline_rows": BASELINE_ROWS,
        **figures,
        "extra_mib": round(extra_mib, 1),
        "extra_mib_may_hold_page_cache_of": page_cache,
        "met": all(figure["ratio"] >= figure["target"] for figure in figures.values())
        and extra_mib - page_cache <= MOST_EXTRA_MIB,
    }


def _beside(ours: float, baseline: float, target: float) -> dict[str, float]:
    ratio = round(ours / baseline, 1)
    return {"ours": round(ours), "baseline": round(baseline), "ratio": ratio, "target": target}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    figure = measure(parser.parse_args().rows)
    print(json.dumps(figure))
    sys.exit(0 if figure["met"] else 1)

"""The embedded product's first night: import, grouping and writing on SQLite, beside the engine alone."""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from io import StringIO
from pathlib import Path

TARGET = 40.0
MOST_MIB = 1536.0


def write_files(folder: Path, refs: int) -> None:
    """The synthetic population as one CSV file per system."""
    import pyarrow.compute as pc  # noqa: PLC0415  (in a process of its own: its memory is not the product's)
    from pyarrow import csv  # noqa: PLC0415

    from benchmarks.population import make_population  # noqa: PLC0415

    table, _truth = make_population(refs, 1)
    table = table.rename_columns(["system_ref" if name == "ref_id" else name for name in table.column_names])
    for system_id in sorted(pc.unique(table["system_id"]).to_pylist()):
        rows = table.filter(pc.equal(table["system_id"], system_id)).drop_columns(["system_id"])
        csv.write_csv(rows, folder / f"S{system_id}.csv")


def measure(folder: Path) -> tuple[float, float, int]:
    """Seconds of import and grouping in an empty embedded database, those of the engine, and refs written."""
    os.environ.update(VAR_DIR=str(folder / "var"), DATABASE_URL="", LOG_LEVEL="WARNING")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kore_site.settings")
    import django  # noqa: PLC0415  (the settings read the environment when they are loaded)

    django.setup()
    from django.core.management import call_command  # noqa: PLC0415
    from django.utils import timezone  # noqa: PLC0415

    from contacts.models import Mapping  # noqa: PLC0415
    from contacts.services.regroup import regroup  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    began = time.perf_counter()
    for path in sorted(folder.glob("*.csv")):
        call_command("add_ticket_system", path.stem, path.stem, stdout=StringIO())
        _import(path)
    regrouped = regroup(now=timezone.now())
    return time.perf_counter() - began, regrouped.engine_seconds, Mapping.objects.count()


def _import(path: Path) -> None:
    from django.core.management import call_command  # noqa: PLC0415

    try:
        call_command("import_system_refs", path, system=path.stem, stdout=StringIO(), stderr=StringIO())
    except SystemExit as refused:
        if refused.code != 1:  # rows that people mistyped are refused, as they should be
            raise


def main() -> int:
    """Print the figure as one JSON line; 0 when its target is met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--refs", type=int, default=100_000)
    parser.add_argument("--write-files", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write_files:
        write_files(options.write_files, options.refs)
        return 0
    with tempfile.TemporaryDirectory() as name:
        command = [sys.executable, "-m", "benchmarks.embedded_run", "--write-files", name]
        subprocess.run([*command, "--refs", str(options.refs)], check=True)
        seconds, engine, refs = measure(Path(name))
    ratio = seconds / engine
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    met = ratio <= TARGET and peak < MOST_MIB
    figure = {
        "name": "embedded: seconds to import, group and write, beside the engine alone",
        "value": round(seconds, 1),
        "baseline": round(engine, 2),
        "ratio": round(ratio, 1),
        "target": TARGET,
        "met": met,
        "refs": refs,
        "peak_mib": round(peak),
    }
    print(json.dumps(figure))
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())

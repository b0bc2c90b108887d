"""A process of its own for a pull that is to be killed: prepares data, pulls, or tells what stands.

python -m tests.journeys.pull_driver prepare SOURCE
python -m tests.journeys.pull_driver pull [--die-in PHASE --at-write N]
python -m tests.journeys.pull_driver tell
"""

import argparse
import json
import os
import signal
import sys
from pathlib import Path

import django

os.environ["ALLOW_LOOPBACK_SOURCES"] = "1"
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kore_site.settings")
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection as database  # noqa: E402
from django.utils import timezone  # noqa: E402

from contacts.models import FieldChange, GoneRef, RelatedName, SystemRef  # noqa: E402
from contacts.models.person_details import DETAIL_FIELDS  # noqa: E402
from contacts.services import arrivals  # noqa: E402
from contacts.services.systems import add_business_unit, add_ticket_system  # noqa: E402
from tests.ticketing.sources import Box, connect  # noqa: E402
from ticketing.connectors import sql_database  # noqa: E402
from ticketing.models import PullRun, Purchase, SourceConnection, StagedRow, WaitingRow  # noqa: E402
from ticketing.services import pull as pulling  # noqa: E402
from ticketing.services import pull_compare, staging  # noqa: E402

# Small enough that a pull of few rows has many transactions, and many places to die in between.
sql_database.ROWS_A_PAGE = 11
arrivals.ROWS_AT_ONCE = 6
staging.ROWS_OF_A_BLOCK = 9
pull_compare.FEW = 50
PHASES = {"download": "download", "apply": "apply_rows", "publish": "publish", "compare": "compare"}


def prepare(source: Path) -> None:
    """A first pull has been; then accounts came, changed and went, with names, sales and a bad row."""
    call_command("migrate", verbosity=0)
    box = Box(source)
    box.customers(40)
    system = add_ticket_system("BOX", name="Box office", unit=add_business_unit("main"))
    theirs = connect(box, system, now=timezone.now())
    _pull(theirs)
    for n in range(1, 41, 3):
        box.customer(f"C{n}", city="Leeds", phone=f"0113 496 {n:04}")
    for n in range(41, 81):
        box.customer(f"C{n}", first_name=f"New{n}", last_name="Fan", email=f"new{n}@example.org")
    box.customer("C99", email="not an address")
    for n in range(1, 61, 2):
        box.sale(f"S{n}", f"C{n}", amount=f"{n}.50")
    box.run(
        "INSERT INTO names (customer, name_id, role, first_name) VALUES (?, '2', 'child', 'Tom')",
        [(f"C{n}",) for n in range(1, 50, 2)],
    )
    box.run("DELETE FROM customers WHERE number IN ('C2', 'C5', 'C8')")
    box.run("UPDATE customers SET merged_into = 'C12' WHERE number = 'C11'")


def _pull(theirs: SourceConnection) -> PullRun:
    return pulling.pull(theirs, trigger=PullRun.Trigger.COMMAND, is_full=True, clock=timezone.now)


def pull(die_in: str | None, at_write: int | None) -> None:
    """Pull; die as a process dies that is killed, before the n-th write of a phase."""
    writes = {}
    phase = ""

    def watched(name, work):
        def run(*args, **kwargs):
            nonlocal phase
            phase = name
            return work(*args, **kwargs)

        return run

    for name, function in PHASES.items():
        setattr(pulling, function, watched(name, getattr(pulling, function)))

    def count(execute, sql, params, many, context):
        if sql.lstrip().startswith(("INSERT", "UPDATE", "DELETE", "COPY")):
            writes[phase] = writes.get(phase, 0) + 1
            if phase == die_in and writes[phase] == at_write:
                os.kill(os.getpid(), signal.SIGKILL)
        return execute(sql, params, many, context)

    with database.execute_wrapper(count):
        run = _pull(SourceConnection.objects.get())
    print(
        json.dumps({"state": run.state, "message": run.message, "attempts": run.attempts, "writes": writes})
    )


def tell() -> None:
    """What stands: all but numbers of rows and moments."""
    ref = "system_ref__system_ref"
    told = {
        "refs": _rows(
            SystemRef.objects.values_list("system_ref", "spent_total", "related_text", *DETAIL_FIELDS)
        ),
        "history": _rows(FieldChange.objects.values_list(ref, "field", "before", "after", "origin")),
        "names": _rows(RelatedName.objects.values_list(ref, "name_id", "first_name", "role")),
        "purchases": _rows(Purchase.objects.values_list("purchase_id", ref, "amount", "status")),
        "gone": _rows(GoneRef.objects.values_list(ref, "reason", "merged_into__system_ref")),
        "waiting": _rows(WaitingRow.objects.values_list("data_set", "key", "column", "reason")),
        "staged": StagedRow.objects.count(),
        "runs": _rows(PullRun.objects.values_list("state")),
        "cursors": sorted(SourceConnection.objects.get().cursors),
    }
    print(json.dumps(told))


def _rows(rows):
    return sorted([str(value) for value in row] for row in rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["prepare", "pull", "tell"])
    parser.add_argument("source", nargs="?", type=Path)
    parser.add_argument("--die-in", choices=PHASES)
    parser.add_argument("--at-write", type=int)
    options = parser.parse_args()
    if options.what == "prepare":
        prepare(options.source)
    elif options.what == "pull":
        pull(options.die_in, options.at_write)
    else:
        tell()
    sys.exit(0)

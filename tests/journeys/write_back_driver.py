"""A process of its own for write-backs that is to be killed: prepares data, submits and writes, or tells.

python -m tests.journeys.write_back_driver prepare SOURCE
python -m tests.journeys.write_back_driver work SOURCE [--die-at N]
python -m tests.journeys.write_back_driver tell SOURCE
"""

import argparse
import json
import os
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import django

os.environ["ALLOW_LOOPBACK_SOURCES"] = "1"
os.environ["CREDENTIAL_KEY_FILE"] = f"{sys.argv[2]}.keys"  # the same for copies of one database
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kore_site.settings")
django.setup()

from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection as database  # noqa: E402
from django.utils import timezone  # noqa: E402

from contacts.models import FieldChange, HeldValue, SystemRef  # noqa: E402
from contacts.services.systems import add_business_unit, add_ticket_system  # noqa: E402
from tests.ticketing.sources import Box, connect, let_write  # noqa: E402
from ticketing import tasks  # noqa: E402
from ticketing.connectors.sql_database import SqlDatabase  # noqa: E402
from ticketing.models import PullRun, WriteBack  # noqa: E402
from ticketing.services.pull import pull  # noqa: E402
from ticketing.services.submit import submit  # noqa: E402

CITIES = {"C1": "York", "C2": "Hull", "C3": "Bath", "C4": "Scarborough"}


def prepare(source: Path) -> None:
    """Four accounts are here; the box office notes each change of a city, and takes no long names."""
    call_command("migrate", verbosity=0)
    box = Box(source)
    box.customers(len(CITIES))
    with closing(sqlite3.connect(source)) as theirs:
        theirs.executescript(
            """
            CREATE TABLE noted (number TEXT, city TEXT);
            CREATE TRIGGER note AFTER UPDATE OF city ON customers WHEN NEW.city IS NOT OLD.city
                BEGIN INSERT INTO noted VALUES (NEW.number, NEW.city); END;
            CREATE TRIGGER short BEFORE UPDATE ON customers WHEN length(NEW.city) > 6
                BEGIN SELECT RAISE(ABORT, 'too long'); END;
            """
        )
    now = timezone.now()
    theirs = connect(
        box, add_ticket_system("BOX", name="Box office", unit=add_business_unit("main")), now=now
    )
    let_write(theirs, box, now=now)
    pull(theirs, trigger=PullRun.Trigger.COMMAND, is_full=True, clock=timezone.now)
    User.objects.create_user("rep", is_superuser=True)


def work(die_at: int | None) -> None:
    """Submit what was not yet, and write what waits; die as one that is killed, before the n-th step.

    Steps are writes of our database, readings of the source, and its writes, before and after them.
    """
    steps = 0

    def step():
        nonlocal steps
        steps += 1
        if steps == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def count(execute, sql, params, many, context):
        if sql.lstrip().startswith(("INSERT", "UPDATE", "DELETE", "COPY")):
            step()
        return execute(sql, params, many, context)

    def stepped(method):
        def run(*args, **kwargs):
            step()
            result = method(*args, **kwargs)
            step()
            return result

        return run

    for name in ("read_account", "write_account"):
        setattr(SqlDatabase, name, stepped(getattr(SqlDatabase, name)))
    rep = User.objects.get(username="rep")
    with database.execute_wrapper(count):
        for number, city in CITIES.items():
            ref = SystemRef.objects.get(system_ref=number)
            if not ref.write_backs.exists():
                submit(ref, {"city": city}, seen=None, by=rep, now=timezone.now())
        tasks.sweep_write_backs()
    print(json.dumps(steps))


def tell(source: Path) -> None:
    """What stands here and there: all but numbers of rows, moments and attempts."""
    ref = "system_ref__system_ref"
    told = {
        "refs": _rows(SystemRef.objects.values_list("system_ref", "city")),
        "held": _rows(HeldValue.objects.values_list(ref, "field", "source_value")),
        "history": _rows(FieldChange.objects.values_list(ref, "field", "before", "after", "origin")),
        "write_backs": _rows(WriteBack.objects.values_list(ref, "state", "values", "reason")),
        "noted": _rows(_noted(source)),
    }
    print(json.dumps(told))


def _noted(source: Path) -> list[tuple]:
    with closing(sqlite3.connect(source)) as theirs:
        return theirs.execute("SELECT number, city FROM noted").fetchall()


def _rows(rows):
    return sorted([str(value) for value in row] for row in rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["prepare", "work", "tell"])
    parser.add_argument("source", type=Path)
    parser.add_argument("--die-at", type=int)
    options = parser.parse_args()
    if options.what == "prepare":
        prepare(options.source)
    elif options.what == "work":
        work(options.die_at)
    else:
        tell(options.source)
    sys.exit(0)

"""A night killed anywhere and started again ends with nothing lost and nothing doubled."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.conf import settings
from django.db import connection

from sync.night import NIGHT

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

# Prepared to be wrong before the night, and right only when the night has come to their steps.
STALE_BEFORE_THE_NIGHT = {
    "stored golden values are what the System Refs say",
    "the sums that a System Ref keeps are those of its purchases",
}


@dataclass
class Stores:
    """Databases beside the one of the tests, on the same server or in a folder; dropped in the end."""

    folder: Path
    made: list[str] = field(default_factory=list)

    def make(self, name: str, *, copy_of: str | None = None) -> str:
        if connection.vendor == "postgresql":
            template = f' TEMPLATE "{self._name(copy_of)}"' if copy_of else ""
            self._on_server(f'CREATE DATABASE "{self._name(name)}"{template}')
        else:
            (self.folder / name).mkdir()
            if copy_of:
                with closing(self._sqlite(copy_of)) as source, closing(self._sqlite(name)) as target:
                    source.backup(target)
        self.made.append(name)
        return name

    def drop_all(self) -> None:
        if connection.vendor == "postgresql":
            for name in self.made:
                self._on_server(f'DROP DATABASE "{self._name(name)}" WITH (FORCE)')

    def environment(self, name: str) -> dict[str, str]:
        environment = {**os.environ, "SECRET_KEY": "only for tests", "LOG_LEVEL": "ERROR"}
        if connection.vendor == "postgresql":
            url = urlsplit(os.environ["DATABASE_URL"])
            environment["DATABASE_URL"] = urlunsplit(url._replace(path=f"/{self._name(name)}"))
        else:
            environment.pop("DATABASE_URL", None)
            environment["VAR_DIR"] = str(self.folder / name)
        return environment

    def _name(self, name: str | None) -> str:
        return f"{connection.settings_dict['NAME']}_{name}"

    def _sqlite(self, name: str) -> sqlite3.Connection:
        return sqlite3.connect(self.folder / name / "kore.sqlite3")

    def _on_server(self, statement: str) -> None:
        with connection._nodb_cursor() as cursor:
            cursor.execute(statement)


@pytest.fixture
def stores(tmp_path):
    stores = Stores(tmp_path)
    yield stores
    stores.drop_all()


def drive(stores: Stores, name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.journeys.night_driver", *map(str, arguments)],
        cwd=settings.BASE_DIR,
        env=stores.environment(name),
        capture_output=True,
        text=True,
        check=False,
    )


def done(process: subprocess.CompletedProcess[str]) -> dict:
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout.splitlines()[-1])


def killed(process: subprocess.CompletedProcess[str]) -> None:
    assert process.returncode == -signal.SIGKILL, process.stderr


@pytest.mark.req("R-CM-39", "R-MDB-6", "D-3")
def test_a_night_killed_after_each_step_and_between_writes_ends_as_one_that_was_left_alone(stores):
    base = stores.make("base")
    assert drive(stores, base, "prepare").returncode == 0
    calm, stormy, halting = (stores.make(name, copy_of=base) for name in ("calm", "stormy", "halting"))
    undisturbed = done(drive(stores, calm, "night"))
    expected = done(drive(stores, calm, "tell"))

    for position in range(len(NIGHT)):
        killed(drive(stores, stormy, "night", "--die-after-step", position))
    after_steps = done(drive(stores, stormy, "night"))
    deaths = 0
    for nth in (5, 13, 22, 33, 47):
        process = drive(stores, halting, "night", "--die-at-write", nth)
        if process.returncode == 0:
            break
        killed(process)
        deaths += 1
        halfway = done(drive(stores, halting, "tell"))
        assert "every Contact has exactly one primary System Ref" not in halfway["broken"]
        assert set(halfway["broken"]) <= STALE_BEFORE_THE_NIGHT
    between_writes = done(drive(stores, halting, "night"))

    assert expected["broken"] == []
    assert (after_steps["state"], after_steps["resumed"]) == ("done", len(NIGHT))
    assert deaths >= 4
    assert between_writes["state"] == "done"
    assert undisturbed["writes"] > 50
    assert done(drive(stores, stormy, "tell")) == expected
    assert done(drive(stores, halting, "tell")) == expected

"""Databases of their own for journeys that need processes of their own."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from django.db import connection


@dataclass
class Stores:
    """Databases beside the one of the tests, on the same server or in a folder; dropped in the end."""

    folder: Path
    made: list[str] = field(default_factory=list)
    _warm: dict[tuple[str, str], subprocess.Popen[str]] = field(default_factory=dict)

    def make(self, name: str, *, copy_of: str | None = None) -> str:
        """A copy of another one; else of that of the tests, migrated and empty."""
        if connection.vendor == "postgresql":
            connection.close()  # nobody may be at what is copied
            template = self._name(copy_of) if copy_of else connection.settings_dict["NAME"]
            self._on_server(f'CREATE DATABASE "{self._name(name)}" TEMPLATE "{template}"')
        else:
            (self.folder / name).mkdir()
            with closing(self._sqlite(name)) as target:
                self._copy_to(target, copy_of)
        self.made.append(name)
        return name

    def drop_all(self) -> None:
        for process in self._warm.values():
            process.kill()
            process.communicate()
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

    def run(self, name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run Python in a process of its own on this store, to its end.

        It is forked from one that has imported everything (tests/journeys/warm.py).
        """
        told = [*map(str, arguments)]
        files = [self.folder / f"{name}.{stream}.txt" for stream in ("stdout", "stderr")]
        warm = self._warm_process(name, told)
        warm.stdin.write(json.dumps([told, *map(str, files)]) + "\n")
        warm.stdin.flush()
        answer = warm.stdout.readline()
        assert answer, f"{told} could not be imported; what Python says to that stands above"
        return subprocess.CompletedProcess(told, int(answer), *(file.read_text() for file in files))

    def start(self, name: str, *arguments: object) -> subprocess.Popen[str]:
        """The same from a bare start, and not waited for."""
        return self._python(name, arguments, stderr=subprocess.PIPE)

    def _warm_process(self, name: str, told: list[str]) -> subprocess.Popen[str]:
        what = told[1] if told[0] == "-m" else told[0]
        if (name, what) not in self._warm:
            arguments = ("-m", "tests.journeys.warm")
            self._warm[name, what] = self._python(name, arguments, stdin=subprocess.PIPE)
        return self._warm[name, what]

    def _python(self, name: str, arguments: tuple[object, ...], **streams: int) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            cwd=settings.BASE_DIR,
            env=self.environment(name),
            stdout=subprocess.PIPE,
            text=True,
            **streams,
        )

    def _name(self, name: str | None) -> str:
        return f"{connection.settings_dict['NAME']}_{name}"

    def _copy_to(self, target: sqlite3.Connection, copy_of: str | None) -> None:
        if copy_of:
            with closing(self._sqlite(copy_of)) as source:
                source.backup(target)
        else:
            connection.ensure_connection()
            connection.connection.backup(target)

    def _sqlite(self, name: str) -> sqlite3.Connection:
        return sqlite3.connect(self.folder / name / "kore.sqlite3")

    def _on_server(self, statement: str) -> None:
        with connection._nodb_cursor() as cursor:
            cursor.execute(statement)

"""Databases of their own for journeys that need processes of their own."""

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

    def run(self, name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run Python in a process of its own on this store, to its end."""
        process = self.start(name, *arguments)
        stdout, stderr = process.communicate()
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    def start(self, name: str, *arguments: object) -> subprocess.Popen[str]:
        """The same, not waited for."""
        return subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            cwd=settings.BASE_DIR,
            env=self.environment(name),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _name(self, name: str | None) -> str:
        return f"{connection.settings_dict['NAME']}_{name}"

    def _sqlite(self, name: str) -> sqlite3.Connection:
        return sqlite3.connect(self.folder / name / "kore.sqlite3")

    def _on_server(self, statement: str) -> None:
        with connection._nodb_cursor() as cursor:
            cursor.execute(statement)

"""A folder into which a ticketing system of the tests puts its files."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from tests.ticketing.connectors.contract import Source
from ticketing.connectors import KINDS
from ticketing.connectors.base import Connector, DataSet, Safety, Setup


class FileSource(Source):
    """Each change is a file of its own; `list_all` puts one in that holds every account."""

    number = "Customer No"
    email = "E-Mail"
    knows_moments = False
    is_database = False
    rows_a_page = "ticketing.connectors.file_drop.ROWS_A_PAGE"

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "drop"
        self.folder.mkdir()
        self._accounts: dict[str, str] = {}
        self._header = f"{self.number};{self.email}"
        self._count = 0

    def safety(self, **limits: Any) -> Safety:
        return Safety(file_roots=(self.folder.parent,), **limits)

    def open(self, *, safety: Safety | None = None, writes: bool = True, **options: str) -> Connector:
        given = {"folder": str(self.folder), "lists_accounts": "yes", "settle_seconds": "0"}
        columns = {DataSet.ACCOUNTS: {"system_ref": self.number, "email": self.email}}
        return KINDS["file_drop"].open(
            Setup({**given, **options}, columns=columns, safety=safety or self.safety())
        )

    def put(self, number: str, email: str, *, ago: int = 0) -> None:
        self._accounts[number] = email
        self.drop(f'{self._header}\n"{number}";"{email}"\n', ago=ago)

    def drop(self, text: str, *, ago: int = 0, name: str = "") -> Path:
        """Put a file in, written so many seconds ago."""
        self._count += 1
        path = self.folder / (name or f"accounts-{self._count:03}.csv")
        path.write_text(text, encoding="utf-8")
        # A file's time has the grain of the kernel's tick; files that follow each other are to differ.
        moment = time.time_ns() - ago * 10**9 + self._count
        os.utime(path, ns=(moment, moment))
        return path

    def remove(self, number: str) -> None:
        del self._accounts[number]

    def merge(self, number: str, into: str) -> None:
        """Files do not tell."""

    def list_all(self) -> None:
        rows = [f'"{number}";"{email}"\n' for number, email in self._accounts.items()]
        self.drop(f"{self._header}\n{''.join(rows)}")

    def change_schema(self) -> None:
        self.drop('{"json": "and no table"}')

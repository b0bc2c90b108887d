"""What a test of the contract needs of a source: that it can be changed as its own system changes it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from ticketing.connectors.base import Connector, DataSet, Page, Safety

ACCOUNTS = DataSet.ACCOUNTS


class Source(Protocol):
    """A source with accounts that have a number and an e-mail address, under `number` and `email` of its own.

    `knows_moments` says whether it finds changes by when they happened, or as files by what is there.
    """

    number: str
    email: str
    knows_moments: bool = True
    is_database: bool = False
    rows_a_page: str = ""  # the module attribute that says how many rows a page has

    def open(self, *, safety: Safety | None = None, writes: bool = True) -> Connector:
        """A connector of this source."""

    def safety(self, **limits: Any) -> Safety:
        """What lets this source be reached."""

    def put(self, number: str, email: str, *, ago: int = 0) -> None:
        """Add an account, or change it, so many seconds ago by the source's own clock."""

    def remove(self, number: str) -> None:
        """Let an account be gone."""

    def merge(self, number: str, into: str) -> None:
        """Let an account go up in another, where the source says so."""

    def list_all(self) -> None:
        """Do what the source has to do before its list of accounts is whole; for most, nothing."""

    def change_schema(self) -> None:
        """Rename something that the connection relies on."""


def emails(source: Source, pages: Iterable[Page]) -> dict[str, str]:
    """Account number -> e-mail address, of the last row of each account in these pages."""
    return {
        row[page.columns.index(source.number)]: row[page.columns.index(source.email)]
        for page in pages
        for row in page.rows
    }


def changes(source: Source, *, since: str = "", resume: str = "", overlap: int = 0) -> dict[str, str]:
    """What a connector opened for it finds, as `emails`."""
    connector = source.open()
    try:
        return emails(source, connector.changed(ACCOUNTS, since=since, resume=resume, overlap=overlap))
    finally:
        connector.close()


def cursor_now(source: Source) -> str:
    """The cursor of the source's accounts as a pull that reads nothing would keep it."""
    connector = source.open()
    try:
        return connector.cursor(ACCOUNTS)
    finally:
        connector.close()

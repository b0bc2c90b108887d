"""Writes one account of a database by the customer's UPDATE, under a credential of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from sqlalchemy import Connection, Engine, bindparam, text
from sqlalchemy.types import NullType

from ticketing.connectors.base import (
    Account,
    CannotWrite,
    ChangedSchema,
    Conflict,
    DataSet,
    Setup,
)
from ticketing.connectors.sql_errors import translated
from ticketing.connectors.sql_sessions import open_engine, read_address
from ticketing.connectors.sql_text import Statement


class ReadAccount(Protocol):
    """Reads one account in a transaction that is under way; None when there is none."""

    def __call__(self, connection: Connection, number: str) -> Account | None: ...


class Writer:
    """The means to write: none without a statement and an address with a credential.

    `accept` gets the fingerprint of each new connection, and refuses another database than the one read.
    """

    def __init__(
        self, update: Statement | None, setup: Setup, *, read: ReadAccount, accept: Callable[[str], None]
    ) -> None:
        self._update = update
        self._setup = setup
        self._read = read
        self._accept = accept
        self._engine: Engine | None = None

    @property
    def can_write(self) -> bool:
        """Whether everything is filled in that writing needs."""
        return bool(self._update and self._setup.secrets.get("write_url"))

    def write(self, number: str, values: Mapping[str, str], *, version: str) -> Account:
        """As Connector.write_account: read, compare, change one row, read again; all of it or nothing."""
        update = self._statement()
        if unknown := sorted(set(values) - update.parameters):
            raise CannotWrite(
                f"The write statement does not write {unknown[0]}.", advice=f"It needs :{unknown[0]}."
            )
        with translated("write statement", writes=True), self._opened().begin() as connection:
            before = self._read(connection, number)
            if before is None or before.version != version:
                raise Conflict("The account is not what it was when it was read.", advice="Read it again.")
            _change_one(connection, update, self._bound(update, before, number, values))
            after = self._read(connection, number)
            if after is None:
                raise ChangedSchema(
                    "The accounts query would not find the account after it was written; nothing was.",
                    advice="The write statement must not change what the query looks for.",
                )
            self._check_others(update, before, after, values)
        return after

    def try_out(self) -> None:
        """Connect and let go. Raises CannotWrite without the means, else a SourceError."""
        self._statement()
        with translated("credential for writing"), self._opened().connect():
            pass

    def close(self) -> None:
        """Let go of the database."""
        if self._engine:
            self._engine.dispose()

    def _statement(self) -> Statement:
        if self._update is None or not self.can_write:
            raise CannotWrite(
                "This connection only reads.",
                advice="Writing needs a write statement, and an address with a credential of its own.",
            )
        return self._update

    def _opened(self) -> Engine:
        if self._engine is None:
            url = read_address(
                self._setup.secrets.get("write_url", ""), password="", safety=self._setup.safety
            )
            self._engine = open_engine(url, self._setup, accept=self._accept, writes=True)
        return self._engine

    def _check_others(
        self, update: Statement, before: Account, after: Account, values: Mapping[str, str]
    ) -> None:
        """Raise CannotWrite where the UPDATE changed another field that it names than those it was to."""
        for name in sorted(update.parameters - values.keys() - {"system_ref", "version"}):
            theirs = self._column(name)
            if after.values.get(theirs) != before.values.get(theirs):
                raise CannotWrite(
                    f"The write statement would change {name} too; nothing was written.",
                    advice=f"The accounts query has to give {name} as it stands where it is written.",
                )

    def _column(self, name: str) -> str:
        """What the accounts query calls our field."""
        return self._setup.columns.get(DataSet.ACCOUNTS, {}).get(name, name)

    def _bound(
        self, update: Statement, before: Account, number: str, values: Mapping[str, str]
    ) -> dict[str, str]:
        """What each parameter of the write statement is: a new value, or what the account has now."""
        given = {**values, "system_ref": number, "version": before.version}
        bound = {}
        for name in sorted(update.parameters):
            theirs = self._column(name)
            if name not in given and theirs not in before.values:
                raise CannotWrite(f"Nothing says what :{name} is.", advice=f"Map a column to {name}.")
            bound[name] = given.get(name, before.values.get(theirs, ""))
        return bound


def _change_one(connection: Connection, update: Statement, bound: Mapping[str, str]) -> None:
    """Run the UPDATE; blanks are NULL, and the columns decide the types."""
    parameters = [bindparam(name, value or None, type_=NullType()) for name, value in bound.items()]
    count = connection.execute(text(update.text).bindparams(*parameters)).rowcount
    if count == 0:
        raise Conflict("The write statement found no account to change.", advice="Read it again.")
    if count != 1:
        raise CannotWrite(
            f"The write statement would change {count} rows; nothing was written.",
            advice="Its condition has to name one account by :system_ref.",
        )

"""What every connector is: how one ticketing system is read and written back, in typed rows; no Django.

A new connector is one module with a `Kind` and one line in `ticketing/connectors/__init__.py`
(docs/connectors.md shows it by a worked example). Connectors know nothing of our database: they hand out
texts under the source's own names, and what each means is decided by the mapping of the connection.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from types import NoneType
from typing import Any, Protocol

ROWS_A_PAGE = 5_000
LONGEST_CELL = 10_000  # characters; a longer one is cut, and refused when it is read
BETWEEN_CELLS = "\x1f"  # in the text of a staged row
LOST = "\ufffd"
PRIMARY_NAME = "is_primary_name"  # of an account's row: whether it is its primary customer name


class DataSet(StrEnum):
    """What a source can tell of. Names are the related names of accounts with several people."""

    ACCOUNTS = "accounts"
    NAMES = "names"
    PURCHASES = "purchases"


class SourceError(Exception):
    """The source could not be read or written; the text says what happened, `advice` what to do about it."""

    def __init__(self, message: str, *, advice: str = "") -> None:
        super().__init__(message)
        self.advice = advice


class Unreachable(SourceError):
    """Nobody answered, or not to the end; it is worth trying again after `retry_after` seconds."""

    def __init__(self, message: str, *, advice: str = "", retry_after: float = 0) -> None:
        super().__init__(message, advice=advice)
        self.retry_after = retry_after


class NotAllowed(SourceError):
    """Our own rules of safety forbid it: the address, the file, or what a query wants to do."""


class LoginRefused(SourceError):
    """The source does not accept the credentials, or they may not do this."""


class ChangedSchema(SourceError):
    """A query or an answer does not fit any more: a column or a table is missing, or has another shape."""


class TooMuch(SourceError):
    """More rows, or a larger answer, than the limits of the connection allow."""


class CannotWrite(SourceError):
    """The connection cannot write accounts back, or not this one."""


class Conflict(SourceError):
    """The account is not any more what it was when it was read; nothing was written."""


@dataclass(frozen=True)
class Capabilities:
    """What a connection can do as it is set up; shown on its screen."""

    data_sets: frozenset[DataSet]
    finds_changes: frozenset[DataSet] = frozenset()  # the others are read whole each time
    lists_accounts: bool = False
    follows_merges: bool = False
    reads_account: bool = False
    writes_account: bool = False
    takes_hints: bool = False


@dataclass(frozen=True)
class Page:
    """Some rows, as texts in the order of `columns`; None and blanks are empty texts.

    `resume` leads behind this page: given back to `changed` it goes on there, though some rows may come
    again. Columns may differ from page to page where the source's files do. `expected` is how many rows the
    whole window has, where the source tells cheaply.
    """

    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    resume: str
    expected: int | None = None


@dataclass(frozen=True)
class Listed:
    """One account number that the source knows; `merged_into` where it says so, `is_erased` likewise."""

    number: str
    merged_into: str = ""
    is_erased: bool = False


@dataclass(frozen=True)
class Account:
    """One account as it stands at the source now; `version` is what a write has to find unchanged."""

    values: Mapping[str, str]
    version: str


@dataclass(frozen=True)
class Finding:
    """One thing that a test of the connection looked at; `advice` says what to do where it is not well."""

    what: str
    is_good: bool
    said: str
    advice: str = ""


@dataclass(frozen=True)
class Sample:
    """Some rows of a data set as they come, for the mapping editor."""

    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


@dataclass(frozen=True)
class Safety:
    """What connections may reach, by the settings of this installation.

    `own_database` tells whether an address is our own database's; `file_roots` are the folders under which
    files may be read. Without `allow_loopback` neither this machine nor a private network can be addressed.
    """

    allow_loopback: bool = False
    allowed_hosts: tuple[str, ...] = ()  # host names and their suffixes; none given: any public one
    file_roots: tuple[Path, ...] = ()
    is_own_database: Callable[[str], bool] = field(default=lambda _fingerprint: False)
    statement_seconds: int = 300
    connect_seconds: int = 10
    most_rows: int = 20_000_000  # of one data set in one pull
    most_bytes: int = 64 * 1024 * 1024  # of one answer


@dataclass(frozen=True)
class Setup:
    """A connection as its connector gets it. Secrets are in clear here and nowhere else.

    `columns` leads, for each data set, from our field to the source's column, where the mapping says so.
    """

    options: Mapping[str, str]
    secrets: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[DataSet, Mapping[str, str]] = field(default_factory=dict)
    time_zone: str = "UTC"
    safety: Safety = field(default_factory=Safety)


class Connector(Protocol):
    """One source, opened. Everything may raise a SourceError; `close` never does. Not safe for two threads.

    Times are the source's own clock throughout: ours may be an hour off.
    """

    capabilities: Capabilities

    def check(self) -> list[Finding]:
        """Look at everything that a pull needs, in order; a failure is a finding, not an error."""

    def sample(self, data_set: DataSet, *, rows: int) -> Sample:
        """The first rows of a data set."""

    def changed(self, data_set: DataSet, *, since: str, resume: str, overlap: int) -> Iterator[Page]:
        """Everything that changed behind the cursor `since` (blank: all there is), in pages.

        The window opens `overlap` seconds early, for rows that were dated back or committed late. `resume`
        is blank or what a page of the same window bore.
        """

    def cursor(self, data_set: DataSet) -> str:
        """The cursor for the next pull. Asked once, before the first page: what changes from then on is its.

        After a crash the pages go on from `resume`, in another process, and the cursor asked first holds.
        """

    def account_numbers(self) -> Iterator[list[Listed]]:
        """Every account that the source knows now, in parts."""

    def reread(self, hints: Sequence[str]) -> Iterator[tuple[DataSet, Page]]:
        """What the source says now of the things that hints name."""

    def read_account(self, number: str) -> Account | None:
        """One account as it is now; None when the source does not know it."""

    def write_account(self, number: str, values: Mapping[str, str], *, version: str) -> Account:
        """Write our fields (name -> text) to the account and read it again.

        Raises Conflict unless the account is still of this version, CannotWrite without the means to write.
        """

    def close(self) -> None:
        """Let go of everything."""


@dataclass(frozen=True)
class Option:
    """Something to fill in for a connector; a secret is stored encrypted and never shown again.

    `check` looks at what was filled in, beside all options, without asking the source: it raises a
    SourceError for what can never be.
    """

    name: str
    label: str
    help: str = ""
    is_required: bool = False
    is_secret: bool = False
    is_long: bool = False
    default: str = ""
    check: Callable[[str, Mapping[str, str]], object] | None = None


@dataclass(frozen=True)
class Kind:
    """One connector as it is registered. `open` may raise a SourceError.

    `columns` are what it calls ours, for data sets whose columns are always the same: theirs -> ours.
    `hint_of` tells what a message from the source names, as a hint to be read again; None for nothing.
    `writes` tells which of our fields a connection set up so can write to the account of this number; it
    asks nobody.
    """

    name: str
    title: str
    sentence: str
    options: Sequence[Option]
    open: Callable[[Setup], Connector]
    columns: Mapping[DataSet, Mapping[str, str]] = field(default_factory=dict)
    hint_of: Callable[[Mapping[str, Any]], str | None] | None = None
    writes: Callable[[Setup, str], frozenset[str]] = field(default=lambda _setup, _number: frozenset())

    @property
    def secrets(self) -> list[str]:
        """The names of its secrets."""
        return [option.name for option in self.options if option.is_secret]


def cell(value: object) -> str:
    """A value of any source as text; None is blank, moments in ISO form, whole numbers without a point.

    It is cut where it is absurdly long. NUL, which no database stores, and the unit separator, which
    stands between the cells of a staged row, become U+FFFD.
    """
    text = value if isinstance(value, str) else _text(value)
    text = text[:LONGEST_CELL]
    return text.replace("\0", LOST).replace(BETWEEN_CELLS, LOST) if _needs_mending(text) else text


def cells(values: Iterable[object]) -> tuple[str, ...]:
    """The values of a row as texts: what `cell` makes of each, in one go where they are plain."""
    texts = [value if value.__class__ is str else _text(value) for value in values]
    joined = "".join(texts)
    if len(joined) > LONGEST_CELL or _needs_mending(joined):
        return tuple(map(cell, texts))
    return tuple(texts)


def _needs_mending(text: str) -> bool:
    return "\0" in text or BETWEEN_CELLS in text


def _text(value: object) -> str:
    written = _TEXTS.get(value.__class__)
    return written(value) if written else _uncommon(value)


def _of_float(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def _of_bytes(value: bytes) -> str:
    return bytes(value[:LONGEST_CELL]).decode("utf-8", "replace")


def _of_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _uncommon(value: object) -> str:
    """Of types that only some drivers give."""
    written = getattr(value, "isoformat", None)
    return str(written() if written else value)


# Most of the time of reading a database goes into this: one look-up for each value.
_TEXTS: dict[type, Callable[[Any], str]] = {
    NoneType: lambda _nothing: "",
    bool: lambda value: "true" if value else "false",
    int: str,
    float: _of_float,
    Decimal: lambda value: f"{value:f}",
    date: date.isoformat,
    datetime: datetime.isoformat,
    bytes: _of_bytes,
    bytearray: _of_bytes,
    memoryview: _of_bytes,
    dict: _of_json,
    list: _of_json,
}

"""Takes the CSV and XLSX files that are put into a folder, archives of them too, each once."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from contacts.cleaning import Refusal
from contacts.row_blocks import Row, Table
from ticketing.connectors.base import (
    LOST,
    ROWS_A_PAGE,
    Account,
    CannotWrite,
    Capabilities,
    ChangedSchema,
    DataSet,
    Finding,
    Kind,
    Listed,
    NotAllowed,
    Option,
    Page,
    Sample,
    Setup,
    SourceError,
    TooMuch,
    cells,
)
from ticketing.connectors.dropped_files import (
    Dropped,
    Folder,
    checked_folder,
    digest_of,
    opened,
    patterns_of,
)

MOST_LOOKED_AT = 20  # files of a data set, in a test of the connection
_YES = ("1", "true", "yes", "y")
_USUAL = {data_set: f"{data_set}*.csv, {data_set}*.xlsx" for data_set in DataSet}
_KEY = "system_ref"


class FileDrop:
    """One folder. Its cursor says which of the files that are still there were taken: name -> state."""

    def __init__(self, setup: Setup, folder: Folder | None = None) -> None:
        options = setup.options
        self._setup = setup
        self._patterns = {
            data_set: patterns_of(options.get(f"{data_set}_pattern", "") or _USUAL[data_set])
            for data_set in DataSet
        }
        self._folder = folder or Folder(
            checked_folder(options.get("folder", ""), setup.safety),
            settle_seconds=_seconds(options.get("settle_seconds", "")),
        )
        self._planned: dict[DataSet, dict[Dropped, str]] = {}
        self._taken: dict[DataSet, dict[Dropped, str]] = {}
        everything = frozenset(DataSet)
        self.capabilities = Capabilities(
            data_sets=everything,
            finds_changes=everything,
            lists_accounts=options.get("lists_accounts", "").strip().lower() in _YES,
        )

    def check(self) -> list[Finding]:
        try:
            found = [Finding("Folder", True, "The folder can be read.")]
            return found + [self._finding(data_set) for data_set in DataSet]
        except SourceError as error:
            return [Finding("Folder", False, str(error), error.advice)]

    def sample(self, data_set: DataSet, *, rows: int) -> Sample:
        files = self._files(data_set)
        if not files:
            raise ChangedSchema(
                f"There is no file of {data_set} yet.", advice=f"Its name has to fit {self._said(data_set)}."
            )
        with opened(files[-1]) as file:
            some = list(islice(file.table.rows(), rows))
            header = _header(file.table)
            return Sample(header, [_row(row, len(header), files[-1])[: len(header)] for row in some])

    def changed(self, data_set: DataSet, *, since: str, resume: str, overlap: int) -> Iterator[Page]:
        place: dict[str, Any] = {"done": {}, "name": "", "state": "", "row": 0, "rows": 0}
        place |= json.loads(resume) if resume else {}
        known = {**_states(since), **place["done"]}
        planned = self._planned.pop(data_set, None)
        present = self._present(data_set) if planned is None else planned
        self._taken[data_set] = present
        for file, state in present.items():
            if not _is_known(file, state, known):
                yield from self._pages(data_set, file, place)
                place["done"][file.name] = state

    def cursor(self, data_set: DataSet) -> str:
        """The settled files as they are, which are those that are taken next; afterwards, that were taken."""
        taken = self._taken.pop(data_set, None)
        present = self._present(data_set) if taken is None else taken
        self._planned[data_set] = present
        return json.dumps({file.name: state for file, state in present.items()}, sort_keys=True)

    def account_numbers(self) -> Iterator[list[Listed]]:
        """The account numbers of the newest file of accounts, which is said to hold them all."""
        newest = self._folder.settled(self._files(DataSet.ACCOUNTS))[-1:]
        for file in newest:
            with opened(file) as content:
                header = _header(content.table)
                at = self._key_at(header, file)
                rows = content.table.rows()
                while some := list(islice(rows, ROWS_A_PAGE)):
                    yield [Listed(_row(row, len(header), file)[at]) for row in some]

    def reread(self, hints: Sequence[str]) -> Iterator[tuple[DataSet, Page]]:
        return iter(())

    def read_account(self, number: str) -> Account | None:
        raise SourceError("Files cannot be asked for one account.", advice="Wait for the next file.")

    def write_account(self, number: str, values: Mapping[str, str], *, version: str) -> Account:
        raise CannotWrite("Files are read and not written.", advice="Correct the account in its own system.")

    def close(self) -> None:
        """Nothing is held open between two questions."""

    def _files(self, data_set: DataSet) -> list[Dropped]:
        return self._folder.files(self._patterns[data_set])

    def _present(self, data_set: DataSet) -> dict[Dropped, str]:
        """The settled files in their order, each with its state."""
        settled = self._folder.settled(self._files(data_set))
        return {file: f"{file.look}:{digest_of(file)}" for file in settled}

    def _pages(self, data_set: DataSet, file: Dropped, place: dict[str, Any]) -> Iterator[Page]:
        """The file's rows, behind the place where that is in it as it is now; the place moves with them."""
        with opened(file) as content:
            header = _header(content.table)
            is_begun = (place["name"], place["state"]) == (file.name, content.state)
            place |= {"name": file.name, "state": content.state, "row": place["row"] if is_begun else 0}
            rows = islice(content.table.rows(), place["row"], None)
            while some := list(islice(rows, ROWS_A_PAGE)):
                place["row"] += len(some)
                place["rows"] += len(some)
                self._check_count(data_set, place["rows"])
                yield Page(header, [_row(row, len(header), file) for row in some], json.dumps(place))

    def _check_count(self, data_set: DataSet, count: int) -> None:
        most = self._setup.safety.most_rows
        if count > most:
            raise TooMuch(
                f"The files of {data_set} have more than {most:,} rows.",
                advice="Raise the most rows of the connection if that is right.",
            )

    def _key_at(self, header: Sequence[str], file: Dropped) -> int:
        wanted = self._setup.columns.get(DataSet.ACCOUNTS, {}).get(_KEY, "") or _KEY
        alike = [place for place, name in enumerate(header) if _bare(name) == _bare(wanted)]
        if not alike:
            raise ChangedSchema(
                f"The file {file.name} has no column {wanted}. It has: {', '.join(header)[:500]}.",
                advice=f"Map one of its columns to {_KEY}.",
            )
        return alike[0]

    def _finding(self, data_set: DataSet) -> Finding:
        what = f"Files of {data_set}"
        files = self._files(data_set)
        if not files:
            is_good = data_set is not DataSet.ACCOUNTS
            return Finding(
                what, is_good, "None is there.", f"Their names have to fit {self._said(data_set)}."
            )
        try:
            for file in files[-MOST_LOOKED_AT:]:
                with opened(file) as content:
                    columns = _header(content.table)
        except SourceError as error:
            return Finding(what, False, str(error), error.advice)
        return Finding(what, True, f"{len(files)}, the newest {files[-1].name} with {len(columns)} columns.")

    def _said(self, data_set: DataSet) -> str:
        return " or ".join(self._patterns[data_set])


def _seconds(text: str) -> int:
    if text.strip() and not text.strip().isdecimal():
        raise NotAllowed("The seconds to settle are no number.", advice="Thirty are usual.")
    return int(text) if text.strip() else 30


def _states(cursor: str) -> dict[str, str]:
    return dict(json.loads(cursor)) if cursor else {}


def _is_known(file: Dropped, state: str, taken: Mapping[str, str]) -> bool:
    """Whether a file was taken: with this content under its name, or as it is under another one.

    Under another name the content alone says nothing: it may have come back to what it was.
    """
    before = taken.get(file.name, "")
    return before.rpartition(":")[2] == state.rpartition(":")[2] or state in taken.values()


def _header(table: Table) -> tuple[str, ...]:
    return cells(name.strip() for name in table.header)


def _row(row: Row, width: int, file: Dropped) -> tuple[str, ...]:
    """A row as it is staged. One that lacks cells gets too many, so that it is refused and not filled up."""
    if isinstance(row, Refusal):
        raise ChangedSchema(
            f"The file {file.name} cannot be read from line {row.line} on: {row.reason}",
            advice="Mend it or take it out of the folder; the next pull goes on with the files behind it.",
        )
    made = cells(row[1])
    return made if len(made) >= width else (*made, *[""] * (width - len(made)), LOST)


def _bare(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name).lower()


KIND = Kind(
    name="file_drop",
    title="Files in a folder",
    sentence="Takes the CSV and XLSX files that are put into a folder, in ZIP archives too, each once.",
    options=(
        Option(
            "folder", "Folder", "Its path on this machine, or where a share is mounted.", is_required=True
        ),
        Option("accounts_pattern", "Names of files of accounts", default=_USUAL[DataSet.ACCOUNTS]),
        Option("names_pattern", "Names of files of related names", default=_USUAL[DataSet.NAMES]),
        Option("purchases_pattern", "Names of files of purchases", default=_USUAL[DataSet.PURCHASES]),
        Option(
            "lists_accounts",
            "The newest file of accounts lists them all",
            "yes: accounts that are not in it are gone at the source.",
            default="no",
        ),
        Option(
            "settle_seconds",
            "Seconds to settle",
            "How long a file is still before it is taken.",
            default="30",
        ),
    ),
    open=FileDrop,
)

"""The contract of connectors: what every one of them does, shown on each."""

import datetime
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.ticketing.connectors.contract import ACCOUNTS, Source, changes, cursor_now, emails
from tests.ticketing.connectors.feed_source import feed_source
from tests.ticketing.connectors.file_source import FileSource
from tests.ticketing.connectors.pretix_source import pretix_source
from tests.ticketing.connectors.sql_sources import PostgresSource, SqliteSource
from ticketing.connectors.base import (
    BETWEEN_CELLS,
    CannotWrite,
    Conflict,
    NotAllowed,
    SourceError,
    TooMuch,
)

HOUR = 3600


@contextmanager
def _sqlite(folder: Path) -> Iterator[Source]:
    yield SqliteSource(folder)


@contextmanager
def _files(folder: Path) -> Iterator[Source]:
    yield FileSource(folder)


# A new connector is shown to keep the contract by one line here.
SOURCES: dict[str, Callable[[Path], AbstractContextManager[Source]]] = {
    "sqlite": _sqlite,
    "file_drop": _files,
    "pretix": pretix_source,
    "feed of docs/connectors.md": feed_source,
}


@pytest.fixture(params=[*SOURCES, pytest.param("postgresql", marks=pytest.mark.postgres)])
def source(request, tmp_path, empty_database):
    if request.param == "postgresql":
        made = PostgresSource(empty_database)
        yield made
        made.close()
        return
    with SOURCES[request.param](tmp_path) as made:
        yield made


@pytest.fixture
def three_rows_a_page(source, monkeypatch):
    monkeypatch.setattr(source.rows_a_page, 3)


@pytest.fixture
def connector(source):
    made = source.open()
    yield made
    made.close()


@pytest.mark.req("R-MDB-1")
def test_without_a_cursor_everything_comes(source):
    source.put("A1", "one@example.com", ago=400 * 24 * HOUR)
    source.put("A2", "two@example.com")

    assert changes(source) == {"A1": "one@example.com", "A2": "two@example.com"}


def test_an_empty_source_has_nothing_to_tell(source, connector):
    assert list(connector.changed(ACCOUNTS, since="", resume="", overlap=0)) == []
    assert [listed for part in connector.account_numbers() for listed in part] == []


@pytest.mark.req("R-MDB-3")
def test_behind_the_cursor_only_changes_come(source):
    source.put("A1", "one@example.com", ago=2 * HOUR)
    source.put("A2", "two@example.com", ago=2 * HOUR)
    cursor = cursor_now(source)
    source.put("A2", "new@example.com")

    assert changes(source, since=cursor) == {"A2": "new@example.com"}


def test_a_pull_without_changes_reads_nothing_and_moves_the_cursor_to_where_it_is(source):
    source.put("A1", "one@example.com", ago=2 * HOUR)
    cursor = cursor_now(source)

    assert changes(source, since=cursor) == {}
    assert changes(source, since=cursor_now(source)) == {}


def test_a_row_dated_back_or_written_late_comes_with_the_overlap(source):
    source.put("A1", "one@example.com", ago=3 * HOUR)
    cursor = cursor_now(source)
    source.put("A2", "late@example.com", ago=HOUR)

    found = changes(source, since=cursor, overlap=2 * HOUR)

    assert found == {"A2": "late@example.com"}
    if source.knows_moments:
        assert changes(source, since=cursor, overlap=0) == {}


def test_a_reading_cut_off_after_any_page_goes_on_to_the_same_end(source, three_rows_a_page):
    for number in range(10):
        source.put(f"A{number}", f"{number}@example.com", ago=HOUR)
    unbroken = source.open()
    pages = list(unbroken.changed(ACCOUNTS, since="", resume="", overlap=0))
    unbroken.close()
    everything = {f"A{number}": f"{number}@example.com" for number in range(10)}

    assert emails(source, pages) == everything
    assert len(pages) > 3
    for read, page in enumerate(pages, start=1):
        rest = changes(source, resume=page.resume)
        assert emails(source, pages[:read]) | rest == everything
        assert len(rest) <= 10 - len(emails(source, pages[:read])) + 1  # the last key may come again


def test_an_account_changed_while_it_is_read_comes_again_with_the_next_pull(source, three_rows_a_page):
    for number in range(8):
        source.put(f"A{number}", f"{number}@example.com", ago=2 * HOUR)
    first = source.open()
    cursor = first.cursor(ACCOUNTS)
    pages = first.changed(ACCOUNTS, since="", resume="", overlap=0)
    read = [next(pages)]
    source.put("A0", "read-before@example.com")
    source.put("A7", "read-behind@example.com")
    read += pages
    first.close()

    found = changes(source, since=cursor)

    assert set(emails(source, read)) == {f"A{number}" for number in range(8)}
    assert found == {"A0": "read-before@example.com", "A7": "read-behind@example.com"}


@pytest.mark.parametrize("hours", [-1, 1])
def test_our_own_clock_does_not_count(source, monkeypatch, hours):
    source.put("A1", "one@example.com", ago=600)
    with monkeypatch.context() as skewed:
        _set_our_clock(skewed, hours * HOUR)
        cursor = cursor_now(source)
        source.put("A2", "two@example.com")
        found = changes(source, since=cursor, overlap=60)

    assert found == {"A2": "two@example.com"}


def _set_our_clock(monkeypatch, seconds):
    """Let the connectors' own idea of the time be wrong; the source's is what it was."""
    read, moments = time.time, datetime.datetime

    class Any(type):
        def __instancecheck__(cls, value):
            return isinstance(value, moments)

    class Wrong(moments, metaclass=Any):
        @classmethod
        def now(cls, tz=None):
            return moments.now(tz) + datetime.timedelta(seconds=seconds)

    for name, module in list(sys.modules.items()):
        if name.startswith("ticketing.connectors.") and getattr(module, "datetime", None) is moments:
            monkeypatch.setattr(module, "datetime", Wrong)
        if name.startswith("ticketing.connectors.") and getattr(module, "time", None) is time:
            wrong = type("wrong_time", (), dict(vars(time), time=lambda: read() + seconds))
            monkeypatch.setattr(module, "time", wrong)


def test_the_list_holds_every_account_that_is_there(source):
    for number in ("A1", "A2", "A3"):
        source.put(number, "one@example.com", ago=HOUR)
    source.remove("A2")
    source.list_all()
    connector = source.open()

    listed = {one.number: one for part in connector.account_numbers() for one in part}
    connector.close()

    assert connector.capabilities.lists_accounts
    assert {number for number, one in listed.items() if not one.is_erased} == {"A1", "A3"}


def test_merged_accounts_are_told_where_the_connector_follows_them(source):
    source.put("A1", "one@example.com")
    source.put("A2", "one@example.com")
    source.merge("A2", "A1")
    source.list_all()
    connector = source.open()

    merged = {
        one.number: one.merged_into for part in connector.account_numbers() for one in part if one.merged_into
    }
    connector.close()

    assert merged == ({"A2": "A1"} if connector.capabilities.follows_merges else {})


def test_one_account_is_read_as_it_is_now(source, connector):
    source.put("A1", "one@example.com")
    source.put("A2", "two@example.com")

    if not connector.capabilities.reads_account:
        with pytest.raises(SourceError):
            connector.read_account("A1")
        return
    account = connector.read_account("A1")

    assert (account.values[source.number], account.values[source.email]) == ("A1", "one@example.com")
    assert account.version == connector.read_account("A1").version
    assert connector.read_account("A9") is None


def test_an_account_is_written_and_read_again(source, connector):
    if not connector.capabilities.writes_account:
        pytest.skip("the connector declares that it does not write")
    source.put("A1", "one@example.com", ago=HOUR)
    source.put("A2", "two@example.com", ago=HOUR)
    before = connector.read_account("A1")

    after = connector.write_account("A1", {"email": "new@example.com"}, version=before.version)

    assert after.values[source.email] == "new@example.com"
    assert after == connector.read_account("A1")
    assert after.version != before.version
    assert connector.read_account("A2").values[source.email] == "two@example.com"


def test_an_account_that_somebody_changed_is_not_written(source, connector):
    if not connector.capabilities.writes_account:
        pytest.skip("the connector declares that it does not write")
    source.put("A1", "one@example.com", ago=HOUR)
    before = connector.read_account("A1")
    source.put("A1", "theirs@example.com")

    with pytest.raises(Conflict):
        connector.write_account("A1", {"email": "ours@example.com"}, version=before.version)

    assert connector.read_account("A1").values[source.email] == "theirs@example.com"


def test_an_account_that_is_gone_is_not_written(source, connector):
    if not connector.capabilities.writes_account:
        pytest.skip("the connector declares that it does not write")
    source.put("A1", "one@example.com")
    before = connector.read_account("A1")
    source.remove("A1")

    with pytest.raises(Conflict):
        connector.write_account("A1", {"email": "ours@example.com"}, version=before.version)


def test_without_the_means_nothing_is_written_and_that_is_declared(source):
    source.put("A1", "one@example.com", ago=HOUR)
    connector = source.open(writes=False)

    with pytest.raises(CannotWrite) as refusal:
        connector.write_account("A1", {"email": "ours@example.com"}, version="1")
    connector.close()

    assert refusal.value.advice
    assert not connector.capabilities.writes_account
    assert changes(source) == {"A1": "one@example.com"}


def test_a_source_that_has_changed_its_shape_is_told_with_advice(source):
    source.put("A1", "somebody@example.com")
    source.change_schema()
    connector = source.open()

    with pytest.raises(SourceError) as error:
        list(connector.changed(ACCOUNTS, since="", resume="", overlap=0))
    findings = connector.check()
    connector.close()

    assert error.value.advice
    assert "somebody" not in f"{error.value}{error.value.advice}"
    bad = [finding for finding in findings if not finding.is_good]
    assert bad
    assert all(finding.said and finding.advice for finding in bad)


def test_a_source_that_is_well_is_found_well(source):
    source.put("A1", "one@example.com")
    connector = source.open()

    findings = connector.check()
    connector.close()

    assert [finding for finding in findings if not finding.is_good] == []
    assert len(findings) >= 2


def test_a_sample_shows_the_first_rows_under_their_names(source, connector):
    source.put("A1", "one@example.com")

    sample = connector.sample(ACCOUNTS, rows=5)

    assert len(sample.rows) == 1
    shown = dict(zip(sample.columns, sample.rows[0], strict=True))
    assert (shown[source.number], shown[source.email]) == ("A1", "one@example.com")


def test_more_rows_than_the_limit_are_too_much(source, three_rows_a_page):
    for number in range(8):
        source.put(f"A{number}", f"{number}@example.com")
    connector = source.open(safety=source.safety(most_rows=7))

    with pytest.raises(TooMuch):
        list(connector.changed(ACCOUNTS, since="", resume="", overlap=0))
    connector.close()


def test_no_cell_holds_what_separates_cells(source):
    source.put("A1", f"one{BETWEEN_CELLS}two@example.com")

    assert changes(source) == {"A1": "one\ufffdtwo@example.com"}


def test_the_database_of_our_own_is_never_read(source):
    if not source.is_database:
        pytest.skip("no database")
    source.put("A1", "one@example.com")
    connector = source.open(safety=source.safety(is_own_database=lambda _fingerprint: True))

    with pytest.raises(NotAllowed, match="Kore itself"):
        list(connector.changed(ACCOUNTS, since="", resume="", overlap=0))
    connector.close()


def test_closing_is_safe_at_any_time(source, three_rows_a_page):
    for number in range(8):
        source.put(f"A{number}", f"{number}@example.com")
    unused, at_work = source.open(), source.open()
    pages = at_work.changed(ACCOUNTS, since="", resume="", overlap=0)
    next(pages)

    for connector in (unused, at_work, at_work):
        connector.close()
    pages.close()

    assert len(changes(source)) == 8

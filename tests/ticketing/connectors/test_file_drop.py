"""Files in a folder: each taken once, in order, when nobody writes it any more; never one from elsewhere."""

import json
import os
import time
import zipfile
from io import BytesIO

import pytest
from openpyxl import Workbook

from tests.ticketing.connectors.contract import ACCOUNTS, changes, cursor_now
from tests.ticketing.connectors.file_source import FileSource
from ticketing.connectors import dropped_files
from ticketing.connectors.base import (
    ChangedSchema,
    DataSet,
    LoginRefused,
    NotAllowed,
    Safety,
    Setup,
    SourceError,
    TooMuch,
    Unreachable,
)
from ticketing.connectors.dropped_files import Folder
from ticketing.connectors.file_drop import KIND

HEADER = "Customer No;E-Mail\n"


@pytest.fixture
def source(tmp_path):
    return FileSource(tmp_path)


def _archive(members: dict[str, bytes | str]) -> bytes:
    made = BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return made.getvalue()


def _read(source, data_set=ACCOUNTS, **options):
    connector = source.open(**options)
    return [row for page in connector.changed(data_set, since="", resume="", overlap=0) for row in page.rows]


def test_files_are_taken_in_the_order_in_which_they_were_written(source):
    source.drop(f"{HEADER}A1;third\n", name="accounts-a.csv", ago=10)
    source.drop(f"{HEADER}A1;first\n", name="accounts-c.csv", ago=30)
    source.drop(f"{HEADER}A1;second\n", name="accounts-b.csv", ago=20)

    assert [email for _, email in _read(source)] == ["first", "second", "third"]


def test_a_touched_or_renamed_file_is_not_taken_again_and_a_replaced_one_is(source):
    touched, renamed, replaced = (
        source.drop(f"{HEADER}A{number};x\n", name=f"accounts{number}.csv", ago=60) for number in range(3)
    )
    cursor = cursor_now(source)

    os.utime(touched)
    renamed.rename(renamed.with_name("accounts-old.csv"))
    source.drop(f"{HEADER}A2;new\n", name=replaced.name)

    assert changes(source, since=cursor) == {"A2": "new"}


def test_a_file_that_came_back_to_what_another_one_says_is_taken(source):
    source.drop(f"{HEADER}A1;first\n", name="accounts-mon.csv", ago=60)
    source.drop(f"{HEADER}A1;second\n", name="accounts-tue.csv", ago=30)
    cursor = cursor_now(source)
    source.drop(f"{HEADER}A1;first\n", name="accounts-wed.csv")

    assert changes(source, since=cursor) == {"A1": "first"}


def test_files_that_were_taken_away_are_forgotten(source):
    gone = source.drop(f"{HEADER}A1;x\n")
    source.drop(f"{HEADER}A2;y\n", name="accounts-stays.csv")
    gone.unlink()

    assert list(json.loads(cursor_now(source))) == ["accounts-stays.csv"]


def test_a_file_that_arrives_while_others_are_read_is_left_for_the_next_pull(source):
    source.drop(f"{HEADER}A1;x\n")
    connector = source.open()
    before = connector.cursor(ACCOUNTS)
    pages = connector.changed(ACCOUNTS, since="", resume="", overlap=0)
    next(pages)
    source.drop(f"{HEADER}A2;y\n")

    assert list(pages) == []
    assert connector.cursor(ACCOUNTS) == before
    assert changes(source, since=before) == {"A2": "y"}


def test_the_cursor_after_reading_holds_nothing_that_was_not_read(source):
    connector = source.open()
    list(connector.changed(ACCOUNTS, since="", resume="", overlap=0))
    source.drop(f"{HEADER}A1;x\n")

    assert changes(source, since=connector.cursor(ACCOUNTS)) == {"A1": "x"}


def test_a_file_that_is_still_being_written_waits(source):
    done = source.drop(f"{HEADER}A1;x\n", name="accounts-1.csv", ago=120)
    source.drop(f"{HEADER}A2;y\n", name="accounts-2.csv", ago=5)
    growing = source.drop(f"{HEADER}A3;z\n", name="accounts-3.csv", ago=120)
    ahead = source.drop(f"{HEADER}A4;z\n", name="accounts-4.csv", ago=-3600)
    slept = []

    def look_away(seconds):
        slept.append(seconds)
        growing.write_text(f"{HEADER}A3;zz\n")

    folder = Folder(source.folder, settle_seconds=30, clock=time.time, sleep=look_away)

    settled = folder.settled(folder.files(["accounts*"]))

    assert [file.path for file in settled] == [done, ahead]
    assert slept == [2]


def test_files_of_long_ago_are_not_waited_for(source):
    source.drop(f"{HEADER}A1;x\n", ago=3 * 24 * 3600)
    folder = Folder(source.folder, settle_seconds=30, sleep=lambda _seconds: pytest.fail("it waited"))

    assert len(folder.settled(folder.files(["accounts*"]))) == 1


def test_a_file_that_changes_while_it_is_read_is_read_another_time(source, monkeypatch):
    monkeypatch.setattr(source.rows_a_page, 1)
    path = source.drop(f"{HEADER}A1;x\nA2;y\n")
    connector = source.open()
    pages = connector.changed(ACCOUNTS, since="", resume="", overlap=0)
    next(pages)
    path.write_text(f"{HEADER}A1;x\nA2;y\nA3;z\n")

    with pytest.raises(Unreachable, match="still being written"):
        list(pages)


def test_reading_begins_anew_where_the_file_is_not_what_it_was(source, monkeypatch):
    monkeypatch.setattr(source.rows_a_page, 1)
    source.drop(f"{HEADER}A1;x\nA2;y\n", name="accounts.csv")
    first = next(source.open().changed(ACCOUNTS, since="", resume="", overlap=0))
    source.drop(f"{HEADER}A0;w\nA1;x\nA2;y\n", name="accounts.csv")

    assert changes(source, resume=first.resume) == {"A0": "w", "A1": "x", "A2": "y"}


def test_archives_and_workbooks_are_taken_too(source):
    book = Workbook()
    book.active.append(["Customer No", "E-Mail"])
    book.active.append(["A3", "three"])
    content = BytesIO()
    book.save(content)
    members = {
        "out/accounts1.csv": f"{HEADER}A1;one\n", "accounts2.CSV": f"{HEADER}A2;two\n",
        "accounts3.xlsx": content.getvalue(), "purchases.csv": "purchase_id;Customer No\nP1;A1\n",
        "readme.txt": "accounts", "../accounts-up.csv": f"{HEADER}A4;four\n",
    }  # fmt: skip
    (source.folder / "night.ZIP").write_bytes(_archive(members))

    assert sorted(_read(source)) == [("A1", "one"), ("A2", "two"), ("A3", "three"), ("A4", "four")]
    assert _read(source, DataSet.PURCHASES) == [("P1", "A1")]
    assert changes(source, since=cursor_now(source)) == {}
    assert sorted(path.name for path in source.folder.parent.rglob("*.csv")) == []


def test_patterns_say_which_files_hold_what(source):
    source.drop(f"{HEADER}A1;x\n", name="KUNDEN_1.TXT")
    source.drop(f"{HEADER}A2;x\n", name="accounts.csv")

    assert _read(source, accounts_pattern="kunden*.txt, clients*.csv") == [("A1", "x")]


@pytest.mark.parametrize("name", [".accounts.csv", "~$accounts.xlsx", "accounts.csv.part", "xaccounts.csv"])
def test_other_files_are_left_alone(source, name):
    source.drop(f"{HEADER}A1;x\n", name=name)

    assert _read(source) == []


def test_links_folders_and_pipes_are_left_alone(source, tmp_path):
    (tmp_path / "elsewhere.csv").write_text(f"{HEADER}A1;x\n")
    (source.folder / "accounts-link.csv").symlink_to(tmp_path / "elsewhere.csv")
    (source.folder / "accounts-folder.csv").mkdir()
    os.mkfifo(source.folder / "accounts-pipe.csv")

    assert _read(source) == []


def test_a_file_that_becomes_a_link_before_it_is_opened_is_not_followed(source, tmp_path):
    path = source.drop(f"{HEADER}A1;x\n")
    connector = source.open()
    connector.cursor(ACCOUNTS)
    path.rename(tmp_path / "elsewhere.csv")
    path.symlink_to(tmp_path / "elsewhere.csv")

    with pytest.raises(SourceError):
        list(connector.changed(ACCOUNTS, since="", resume="", overlap=0))


@pytest.mark.parametrize("folder", ["", "/", "/etc", "{root}/..", "{root}/link", "{root}-beside"])
def test_no_folder_outside_those_that_may_be_read_is_opened(tmp_path, folder):
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "root-beside").mkdir()
    (root / "link").symlink_to(tmp_path)

    with pytest.raises(NotAllowed):
        KIND.open(Setup({"folder": folder.format(root=root)}, safety=Safety(file_roots=(root,))))


def test_a_folder_that_is_not_there_is_unreachable(tmp_path):
    with pytest.raises(Unreachable, match="no folder drop"):
        KIND.open(Setup({"folder": str(tmp_path / "drop")}, safety=Safety(file_roots=(tmp_path,))))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("accounts.csv", b""), ("accounts.csv", b"%PDF-1.7 somebody@example.com"),
        ("accounts.csv", b"\x00\x01\x02" * 99),
        ("accounts.xlsx", b"PK\x03\x04 broken"), ("broken.zip", b"PK\x03\x04 broken"),
        ("a.zip", _archive({"accounts.csv": b"%PDF"})),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_named_and_stops_those_behind_it(source, name, content):
    (source.folder / name).write_bytes(content)
    os.utime(source.folder / name, (1, 1))
    source.drop(f"{HEADER}A1;x\n", name="accounts-later.csv")

    with pytest.raises(ChangedSchema, match=name) as error:
        _read(source)
    findings = source.open().check()

    assert "take it out" in error.value.advice
    assert "somebody" not in str(error.value)
    assert [finding for finding in findings if not finding.is_good]


def test_a_row_with_too_few_cells_is_not_filled_up(source):
    source.drop(f"{HEADER}A1\nA2;y\nA3;z;more\n")

    rows = _read(source)

    assert [len(row) == 2 for row in rows] == [False, True, False]


def test_a_quote_that_never_ends_is_named_with_its_line(source):
    source.drop(f'{HEADER}A1;x\nA2;"{"y" * 200_000}\n')

    with pytest.raises(ChangedSchema, match=r"accounts-001\.csv cannot be read from line 3 on"):
        _read(source)


def test_an_archive_that_unpacks_to_too_much_is_refused(source, monkeypatch):
    monkeypatch.setattr(dropped_files, "MOST_BYTES", 1_000_000)
    (source.folder / "bomb.zip").write_bytes(_archive({"accounts.csv": b"0" * 5_000_000}))

    with pytest.raises(TooMuch, match=r"bomb\.zip"):
        _read(source)


def test_an_archive_that_lies_about_its_size_is_not_unpacked_further(source, monkeypatch):
    monkeypatch.setattr(dropped_files, "MOST_BYTES", 1_000_000)
    honest = _archive({"accounts.csv": b"0" * 5_000_000})
    lying = honest.replace((5_000_000).to_bytes(4, "little"), (5_000).to_bytes(4, "little"))
    (source.folder / "bomb.zip").write_bytes(lying)

    with pytest.raises(SourceError, match=r"bomb\.zip"):
        _read(source)


def test_an_archive_with_too_many_files_is_refused(source):
    (source.folder / "many.zip").write_bytes(_archive({f"{number}.csv": b"" for number in range(1001)}))

    with pytest.raises(TooMuch, match=r"many\.zip"):
        _read(source)


def test_an_archive_with_a_password_is_named(source):
    made = bytearray(_archive({"accounts.csv": f"{HEADER}A1;x\n"}))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        made[made.index(mark) + place] |= 1
    (source.folder / "locked.zip").write_bytes(bytes(made))

    with pytest.raises(ChangedSchema, match=r"locked\.zip.* needs a password"):
        _read(source)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_the_right_to_read_is_named(source):
    source.drop(f"{HEADER}A1;x\n").chmod(0)

    with pytest.raises(LoginRefused, match=r"accounts-001\.csv"):
        _read(source)


def test_the_newest_file_of_accounts_is_the_list(source):
    source.drop(f"{HEADER}A1;x\nA2;y\n", ago=60)
    source.drop(f"{HEADER}A2;y\nA3;z\n")
    connector = source.open()

    assert [one.number for part in connector.account_numbers() for one in part] == ["A2", "A3"]
    assert not source.open(lists_accounts="").capabilities.lists_accounts


def test_a_list_without_the_column_of_numbers_is_told(source):
    source.drop("Name;E-Mail\nAda;x\n")

    with pytest.raises(ChangedSchema, match="has no column Customer No"):
        list(source.open().account_numbers())


def test_seconds_that_are_no_number_are_refused(source):
    with pytest.raises(NotAllowed, match="seconds"):
        source.open(settle_seconds="soon")

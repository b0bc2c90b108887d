"""Pulling from a folder: rows that are none are rejected alone, and a file that is none stops the pull."""

import pytest
from django.utils import timezone

from contacts.models import GoneRef, SystemRef
from tests.factories import NOW, TicketSystemFactory
from ticketing.models import PullRun, WaitingRow
from ticketing.services.connections import Wanted, save_connection
from ticketing.services.pull import pull

pytestmark = pytest.mark.django_db
HEADER = "system_ref;first_name;email\n"


@pytest.fixture
def folder(settings, tmp_path):
    settings.SOURCE_FILE_ROOTS = [tmp_path]
    settings.CREDENTIAL_KEY_FILE = str(tmp_path / "keys")
    made = tmp_path / "drop"
    made.mkdir()
    return made


@pytest.fixture
def connection(folder):
    options = {"folder": str(folder), "settle_seconds": "0", "lists_accounts": "yes"}
    return save_connection(TicketSystemFactory(code="BOX"), Wanted("file_drop", options), by=None, now=NOW)


def pulled(connection) -> PullRun:
    return pull(connection, trigger=PullRun.Trigger.COMMAND, clock=timezone.now, sleep=lambda _: None)


def first_names() -> dict[str, str]:
    return dict(SystemRef.objects.values_list("system_ref", "first_name"))


@pytest.mark.req("R-MDB-1")
def test_each_file_is_taken_once_and_the_newest_is_the_list(folder, connection):
    (folder / "accounts-1.csv").write_text(f"{HEADER}A1;Ann;a@example.com\nA2;Bo;b@example.com\n")
    first, second = pulled(connection), pulled(connection)
    (folder / "accounts-2.csv").write_text(f"{HEADER}A1;Anna;a@example.com\n")
    connection.last_listed_at = None
    connection.save()
    third = pulled(connection)

    assert [run.state for run in (first, second, third)] == ["done"] * 3
    assert [run.counts.get("downloaded", 0) for run in (first, second, third)] == [2, 0, 1]
    assert first_names() == {"A1": "Anna", "A2": "Bo"}
    assert list(GoneRef.objects.values_list("system_ref__system_ref", flat=True)) == ["A2"]


def test_a_row_with_the_wrong_number_of_cells_is_rejected_and_the_rest_goes_on(folder, connection):
    rows = "A1;Ann;a@example.com\nA2\nA3;Cy;c@example.com;more\nA4;Di;d@example.com\n"
    (folder / "accounts.csv").write_text(f"{HEADER}{rows}")

    run = pulled(connection)

    assert run.state == "done"
    assert first_names() == {"A1": "Ann", "A4": "Di"}
    assert sorted(WaitingRow.objects.values_list("key", flat=True)) == ["A2", "A3"]
    assert all("delimiters are missing" in row.reason for row in WaitingRow.objects.all())


def test_a_file_that_cannot_be_read_fails_the_pull_until_it_is_mended(folder, connection):
    bad = folder / "accounts-1.csv"
    bad.write_bytes(b"%PDF-1.7")
    failed = pulled(connection)
    (folder / "accounts-2.csv").write_text(f"{HEADER}A1;Ann;a@example.com\n")
    bad.unlink()

    done = pulled(connection)

    assert failed.state == "failed"
    assert "accounts-1.csv" in failed.message
    assert "take it out" in failed.advice
    assert done.state == "done"
    assert first_names() == {"A1": "Ann"}


def test_a_row_that_was_shifted_is_not_tried_again_until_the_source_sends_it_right(folder, connection):
    (folder / "accounts-1.csv").write_text(f"{HEADER}A1;Ann;Lee;a@example.com\n")
    pulled(connection)
    again = pulled(connection)
    waiting = list(WaitingRow.objects.values_list("row", flat=True))
    (folder / "accounts-2.csv").write_text(f'{HEADER}A1;"Ann;Lee";a@example.com\n')
    pulled(connection)

    assert again.counts.get("created", 0) == 0
    assert waiting == [{"system_ref": "A1", "first_name": "Ann", "email": "Lee", "": "a@example.com"}]
    assert first_names() == {"A1": "Ann;Lee"}
    assert not WaitingRow.objects.exists()

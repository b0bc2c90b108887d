"""What sources really send: shuffled columns, padded and endless keys, odd lists; and odd settings."""

import os
from contextlib import suppress

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from contacts.models import GoneRef, GroupDecision, RelatedName, SystemRef, TicketSystem
from contacts.services.systems import add_business_unit, add_ticket_system
from tests.factories import NOW, TicketSystemFactory
from tests.ticketing.sources import ACCOUNTS_QUERY, connect
from ticketing.connectors.base import DataSet
from ticketing.models import PullAlarm, PullRun, SourceConnection, WaitingRow
from ticketing.services import pull_apply
from ticketing.services.connections import (
    BadConnection,
    Wanted,
    save_connection,
    save_mapping,
    setup_of,
    wanted_of,
)
from ticketing.services.connections import test_connection as findings_of
from ticketing.services.pull import pull

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("local_sources")]


@pytest.fixture
def connection(box):
    return connect(box, TicketSystemFactory(code="BOX"), now=NOW)


def pulled(connection, **options) -> PullRun:
    return pull(
        connection,
        trigger=PullRun.Trigger.COMMAND,
        clock=timezone.now,
        sleep=lambda _: None,
        **options,
    )


def change(connection, **options: str) -> None:
    kept = {**connection.options, **options}
    save_connection(connection.system, wanted_of(connection, options=kept), by=None, now=NOW)


def test_of_several_files_the_newest_has_the_last_word_however_its_columns_are_ordered(tmp_path):
    folder = tmp_path / "drop"
    folder.mkdir()
    files = save_connection(
        TicketSystemFactory(code="FILES"), Wanted("file_drop", {"folder": str(folder)}), by=None, now=NOW
    )
    for number in range(1, 13):
        columns = ["system_ref", "first_name", "email"]
        columns = columns[number % 3 :] + columns[: number % 3]
        values = {"system_ref": "1", "first_name": f"Name{number}", "email": "ann@example.org"}
        path = folder / f"accounts{number}.csv"
        path.write_text(",".join(columns) + "\n" + ",".join(values[name] for name in columns) + "\n")
        os.utime(path, (NOW.timestamp() + number, NOW.timestamp() + number))

    pulled(files)

    assert SystemRef.objects.get().first_name == "Name12"


@pytest.mark.parametrize("into", ["number", "' '"])
def test_accounts_that_are_their_own_master_or_have_a_padded_blank_are_not_merged(box, connection, into):
    box.customers(30)
    change(connection, numbers_query=f"SELECT number, {into} FROM customers")
    pulled(connection)

    run = pulled(connection, is_full=True)

    assert (run.state, run.counts.get("merged", 0)) == (PullRun.State.DONE, 0)
    assert not GoneRef.objects.exists()


def test_a_list_that_says_everybody_was_merged_waits_for_a_persons_word(box, connection):
    box.customers(30)
    change(connection, numbers_query="SELECT number, 'C1' FROM customers")
    pulled(connection)

    run = pulled(connection, is_full=True)

    assert run.state == PullRun.State.HELD
    assert "29 are said to be merged" in run.message
    assert not GoneRef.objects.exists()
    assert not GroupDecision.objects.exists()
    assert PullAlarm.objects.get().kind == PullAlarm.Kind.TOO_MANY_GONE


def test_keys_that_are_cleaned_here_are_not_missing_at_the_source(box, connection):
    for number in ("A  1", "x\ty", "N\u00a0B", "Z\u200bW", "Mu\u0308"):
        box.customer(number, first_name="Ann")

    pulled(connection)
    run = pulled(connection, is_full=True)

    assert (run.state, run.counts.get("missing", 0)) == (PullRun.State.DONE, 0)


def test_a_key_longer_than_any_index_takes_is_rejected_and_the_rest_goes_on(box, connection):
    box.customer("1", first_name="Ann")
    box.sale(os.urandom(2000).hex(), "1")
    box.sale("S2", "1")

    run = pulled(connection)

    assert (run.state, run.counts["created"], run.counts["rejected"]) == (PullRun.State.DONE, 2, 1)
    assert WaitingRow.objects.get().column == "purchase_id"


def test_each_row_without_a_key_waits_by_itself(box, connection):
    query = "SELECT NULLIF(number, number) AS number, first_name FROM customers WHERE changed_at >= :since"
    box.customers(3)
    change(connection, accounts_query=query)

    run = pulled(connection)

    assert run.counts["rejected"] == 3
    assert WaitingRow.objects.count() == 3


def test_a_list_that_cannot_be_read_does_not_hold_up_what_changes(box, connection):
    box.customer("1", first_name="Ann")
    pulled(connection)
    box.run("CREATE TABLE list (number TEXT)")
    change(connection, numbers_query="SELECT number FROM list")
    box.run("DROP TABLE list")
    assert pulled(connection, is_full=True).state == PullRun.State.FAILED
    box.customer("1", email="ann@example.org")

    pulled(connection, is_full=True)

    assert SystemRef.objects.get().email == "ann@example.org"


def test_an_account_that_comes_back_as_it_was_is_gone_no_more_at_the_next_pull(box, connection):
    box.customers(30)
    query = ACCOUNTS_QUERY.replace(", changed_at AS updated_at", "")
    change(connection, accounts_query=query)
    pulled(connection)
    box.run("DELETE FROM customers WHERE number = 'C5'")
    pulled(connection, is_full=True)
    assert GoneRef.objects.get().system_ref.system_ref == "C5"
    box.run(
        "INSERT INTO customers (number, first_name, last_name, email) "
        "VALUES ('C5', 'Fan5', 'Name5', 'fan5@example.org')"
    )

    run = pulled(connection)

    assert (run.counts["unchanged"], run.counts["back"]) == (1, 1)
    assert not GoneRef.objects.exists()


def test_rows_that_wait_take_turns_where_they_are_very_many(box, connection, monkeypatch):
    monkeypatch.setattr(pull_apply, "_MOST_TRIED_AGAIN", 2)
    for number in range(5):
        box.sale(f"S{number}", f"nobody{number}", changed_at="2001-01-01 00:00:00")
    box.sale("S9", "late", changed_at="2001-01-01 00:00:00")
    pulled(connection)
    box.customer("late", first_name="Ann")

    for _ in range(3):
        pulled(connection)

    assert SystemRef.objects.get().purchases.get().purchase_id == "S9"


def test_other_people_of_an_account_without_an_id_are_told_apart_by_their_names(box, connection):
    query = (
        "SELECT customer AS system_ref, first_name, last_name, name_id = '1' AS is_primary_name FROM names "
        "WHERE changed_at >= :since"
    )
    options = {"url": connection.options["url"], "accounts_query": query}
    save_connection(connection.system, wanted_of(connection, options=options, mapping={}), by=None, now=NOW)
    box.run(
        "INSERT INTO names (customer, name_id, first_name, last_name) VALUES ('1', ?, ?, 'Marlow')",
        [("1", "Ann"), ("2", "Tom"), ("3", "Eve")],
    )

    run = pulled(connection)

    assert (run.state, run.message) == (PullRun.State.DONE, "")
    assert sorted(RelatedName.objects.values_list("name_id", flat=True)) == ["Eve Marlow", "Tom Marlow"]


def test_a_test_of_the_connection_sees_a_mapping_that_does_not_do(box, connection):
    box.customer("1", first_name="Ann")
    box.sale("S1", "1")
    box.run("INSERT INTO names (customer, name_id, first_name) VALUES ('1', '2', 'Tom')")
    assert [finding.said for finding in findings_of(connection) if not finding.is_good] == []
    query = "SELECT id, event FROM sales WHERE changed_at >= :since"
    change(connection, purchases_query=query, key_column="number")
    connection.refresh_from_db()

    bad = [finding for finding in findings_of(connection) if not finding.is_good]

    assert bad
    assert any("purchase" in f"{finding.what} {finding.said}" for finding in bad)


@pytest.mark.parametrize("password", ["pa/ss", "p?a#s", "g]e[heim", "p%40ss"])
def test_no_password_stays_in_the_options_however_it_is_written(password):
    system = TicketSystemFactory(code="PG")
    url = f"postgresql://reader:{password}@db.example.org/tickets"
    wanted = Wanted("sql_database", {"url": url, "accounts_query": "SELECT 1 AS system_ref"})

    connection = None
    with suppress(BadConnection):  # what cannot be read as an address is refused
        connection = save_connection(system, wanted, by=None, now=NOW)

    kept = SourceConnection.objects.first()
    assert kept == connection
    if kept is not None:
        assert password not in kept.options["url"]
        assert setup_of(kept).secrets["password"] in (password, "p@ss")


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("time_zone", "Mars/Phobos"),
        ("overlap_minutes", -5),
        ("every_minutes", 0),
        ("date_format", "garbage"),
        ("options", {"url": "postgresql://reader@db.example.org/t?password=x", "accounts_query": "SELECT 1"}),
        ("options", {"url": "garbage", "accounts_query": "SELECT 1"}),
        ("options", {"url": "sqlite:////a.db", "accounts_query": "DROP TABLE customers"}),
        ("options", {"url": "sqlite:////a.db", "accounts_query": "SELECT 1; SELECT 2"}),
        ("options", {"url": "sqlite:////a.db", "accounts_query": "SELECT :name"}),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(connection, setting, value):
    with pytest.raises(BadConnection) as refusal:
        save_connection(connection.system, wanted_of(connection, **{setting: value}), by=None, now=NOW)

    assert refusal.value.field in (setting, "url", "accounts_query")


def test_hand_entry_cannot_be_pulled():
    unit = add_business_unit("main")
    add_ticket_system("BOX", name="Box", unit=unit)
    hand = TicketSystem.objects.get(kind=TicketSystem.Kind.HAND)

    with pytest.raises(CommandError, match="there is nothing to pull"):
        call_command(
            "add_connection", hand.code, "--connector=file_drop", "--option=folder=/nowhere", verbosity=0
        )


def test_adding_a_connection_again_leaves_what_was_not_said(box, connection):
    save_connection(connection.system, wanted_of(connection, list_hours=6, full_days=0), by=None, now=NOW)
    options = [f"--option={name}={value}" for name, value in connection.options.items()]

    call_command("add_connection", "BOX", "--connector=sql_database", *options, "--every=15", verbosity=0)

    kept = SourceConnection.objects.get()
    assert (kept.list_hours, kept.full_days, kept.every_minutes, kept.time_zone) == (6, 0, 15, "UTC")
    assert kept.version == 1


def test_a_mapping_that_cannot_do_is_not_saved(connection):
    for columns, said in (
        ({"number": "system_ref", "a": "city", "b": "city"}, "Two columns lead to city"),
        ({"number": "", "city": "company"}, "system_ref"),
    ):
        with pytest.raises(BadConnection, match=said):
            save_mapping(connection, DataSet.ACCOUNTS, columns, by=None, now=NOW)

    assert SourceConnection.objects.get().mapping == {"accounts": {"number": "system_ref"}}

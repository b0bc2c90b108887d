"""Pulling: what changed at the source stands here, once, with its history, wherever it was cut off."""

import datetime as dt

import pytest
from django.utils import timezone

from contacts.models import FieldChange, GoneRef, RelatedName, SystemRef, TicketSystem
from contacts.models.history import Origin
from tests.factories import NOW, TicketSystemFactory, UserFactory
from tests.ticketing.sources import ACCOUNTS_QUERY, Box, connect
from ticketing.connectors.base import DataSet
from ticketing.models import PullAlarm, PullRun, Purchase, StagedRow, WaitingRow
from ticketing.services.connections import MayNotConnect, save_mapping, wanted_of
from ticketing.services.connections import save_connection as save
from ticketing.services.pull import pull

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("local_sources")]

Trigger, State = PullRun.Trigger, PullRun.State


@pytest.fixture
def system() -> TicketSystem:
    return TicketSystemFactory(code="BOX")


@pytest.fixture
def connection(box, system):
    return connect(box, system, now=NOW)


def pulled(connection, **options) -> PullRun:
    return pull(connection, trigger=Trigger.COMMAND, clock=timezone.now, sleep=lambda _: None, **options)


def counts(run: PullRun) -> dict[str, int]:
    return {name: count for name, count in run.counts.items() if count}


@pytest.mark.req("R-MDB-1", "R-MDB-2")
def test_the_same_number_in_two_databases_is_two_accounts(tmp_path, box, connection):
    other = Box(tmp_path / "other.sqlite3")
    second = connect(other, TicketSystemFactory(code="TWO"), now=NOW)
    box.customer("2001", first_name="Ann")
    other.customer("2001", first_name="Bo")

    pulled(connection), pulled(second)

    found = SystemRef.objects.order_by("system__code").values_list("system__code", "system_ref", "first_name")
    assert list(found) == [("BOX", "2001", "Ann"), ("TWO", "2001", "Bo")]


def test_a_first_pull_brings_accounts_names_and_purchases_with_history(box, connection):
    box.customer("1", first_name="Ann", last_name="Marlow")
    box.sale("S1", "1", amount="12.50")
    box.run("INSERT INTO names (customer, name_id, role, first_name) VALUES ('1', '2', 'child', 'Tom')")

    run = pulled(connection)

    assert (run.state, run.message) == (State.DONE, "")
    assert counts(run) == {"downloaded": 3, "created": 3}
    ref = SystemRef.objects.get()
    assert (ref.first_name, ref.spent_total) == ("Ann", dt.datetime and Purchase.objects.get().amount)
    assert [change.origin for change in FieldChange.objects.all()] == [Origin.PULL]
    assert RelatedName.objects.get().first_name == "Tom"
    assert not StagedRow.objects.exists()


def test_a_second_pull_brings_what_changed_and_nothing_else(box, connection):
    box.customers(30)
    pulled(connection)
    box.customer("C7", phone="0113 496 0000")

    run = pulled(connection)

    assert counts(run) == {"downloaded": 1, "changed": 1}
    change = FieldChange.objects.exclude(field="").get()
    assert (change.field, change.after) == ("phone", "0113 496 0000")


def test_a_row_that_was_dated_back_is_found_within_the_overlap_and_changes_nothing_twice(box, connection):
    box.customer("1", first_name="Ann")
    pulled(connection)
    hour_ago = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
    box.customer("2", first_name="Late", changed_at=hour_ago.strftime("%Y-%m-%d %H:%M:%S"))

    run = pulled(connection)

    assert counts(run) == {"downloaded": 2, "created": 1, "unchanged": 1}


def test_a_full_pull_finds_what_was_dated_back_further(box, connection):
    box.customers(3)
    pulled(connection)
    box.run("UPDATE customers SET city = 'Leeds' WHERE number = 'C2'")
    assert counts(pulled(connection)) == {}

    assert counts(pulled(connection, is_full=True)) == {"downloaded": 3, "changed": 1, "unchanged": 2}


def test_a_blank_at_the_source_overwrites_nothing(box, connection):
    box.customer("1", first_name="Ann", phone="0113 496 0000")
    pulled(connection)
    box.customer("1", phone="n/a")

    pulled(connection)

    assert SystemRef.objects.get().phone == "0113 496 0000"


def test_a_blank_overwrites_where_the_system_says_so(box, connection, system):
    TicketSystem.objects.update(blanks_overwrite=True)
    box.customer("1", first_name="Ann", phone="0113 496 0000")
    pulled(connection)
    box.customer("1", phone="")

    pulled(connection)

    assert SystemRef.objects.get().phone == ""


def test_a_row_that_cannot_be_taken_waits_with_its_reason_and_goes_in_once_mended(box, connection):
    box.customer("1", email="not an address")
    box.customer("2", first_name="Bo")

    run = pulled(connection)

    assert counts(run) == {"downloaded": 2, "created": 1, "rejected": 1}
    waiting = WaitingRow.objects.get()
    assert (waiting.key, waiting.column, waiting.row["number"]) == ("1", "email", "1")
    assert counts(pulled(connection)) == {"downloaded": 2, "rejected": 1, "unchanged": 1}  # the overlap
    box.run("UPDATE customers SET changed_at = '2001-01-01 00:00:00'")
    assert counts(pulled(connection)) == {"still": 1}

    box.customer("1", email="ann@example.org")
    pulled(connection)
    assert not WaitingRow.objects.exists()
    assert SystemRef.objects.filter(email="ann@example.org").exists()


def test_a_purchase_that_came_before_its_account_goes_in_with_it(box, connection):
    box.sale("S1", "9")
    pulled(connection)
    assert WaitingRow.objects.get().data_set == "purchases"
    box.run("UPDATE sales SET changed_at = '2001-01-01 00:00:00'")  # the source will not send it again
    box.customer("9", first_name="Ann")

    run = pulled(connection)

    assert counts(run) == {"downloaded": 1, "created": 2}
    assert not WaitingRow.objects.exists()


def test_one_account_with_several_people_keeps_the_others_as_related_names(box, connection):
    query = (
        "SELECT '1' AS system_ref, name_id, name_id = '1' AS is_primary_name, first_name, last_name, role "
        "FROM names WHERE changed_at >= :since"
    )
    save(
        connection.system,
        wanted_of(
            connection, options={"url": connection.options["url"], "accounts_query": query}, mapping={}
        ),
        by=None,
        now=NOW,
    )
    box.run(
        "INSERT INTO names (customer, name_id, role, first_name, last_name) VALUES ('1', ?, ?, ?, 'Marlow')",
        [("1", "holder", "Ann"), ("2", "partner", "Tom")],
    )

    run = pulled(connection)

    assert (run.state, run.message) == (State.DONE, "")
    assert SystemRef.objects.get().first_name == "Ann"
    related = RelatedName.objects.get()
    assert (related.first_name, related.role) == ("Tom", "partner")


def test_a_run_that_failed_is_taken_up_where_it_stopped(box, connection):
    box.customers(3)
    box.run("ALTER TABLE sales RENAME TO sold")

    failed = pulled(connection)

    assert (failed.state, failed.phase) == (State.FAILED, PullRun.Phase.DOWNLOAD)
    assert "purchases" in failed.message
    assert not SystemRef.objects.exists()
    box.run("ALTER TABLE sold RENAME TO sales")
    run = pulled(connection)
    assert (run.pk, run.state, run.attempts) == (failed.pk, State.DONE, 2)
    assert counts(run) == {"downloaded": 3, "created": 3}


def test_new_settings_drop_an_unfinished_run_and_begin_from_the_beginning(box, connection):
    box.customers(2)
    box.run("ALTER TABLE sales RENAME TO sold")
    failed = pulled(connection)
    options = {name: text for name, text in connection.options.items() if name != "purchases_query"}
    save(connection.system, wanted_of(connection, options=options), by=None, now=NOW)

    run = pulled(connection)

    failed.refresh_from_db()
    assert (failed.state, run.state) == (State.DROPPED, State.DONE)
    assert counts(run) == {"downloaded": 2, "created": 2}
    assert not StagedRow.objects.exists()


def test_a_new_mapping_reads_everything_again(box, connection):
    box.customer("1", first_name="Ann", city="Leeds")
    pulled(connection)

    save_mapping(connection, DataSet.ACCOUNTS, {"number": "system_ref", "city": "company"}, by=None, now=NOW)
    pulled(connection)

    assert SystemRef.objects.get().company == "Leeds"


@pytest.mark.req("R-MDB-1")
def test_the_full_list_marks_those_that_are_gone_and_those_that_were_merged(box, connection):
    box.customers(500)
    pulled(connection)
    box.run("DELETE FROM customers WHERE number IN ('C10', 'C20', 'C30')")
    box.run("UPDATE customers SET merged_into = 'C41' WHERE number = 'C40'")

    run = pulled(connection, is_full=True)

    assert run.state == State.DONE
    assert (run.counts["missing"], run.counts["merged"]) == (3, 1)
    gone = dict(GoneRef.objects.values_list("system_ref__system_ref", "reason"))
    assert gone == {"C10": "missing", "C20": "missing", "C30": "missing", "C40": "merged"}
    assert GoneRef.objects.get(reason="merged").merged_into.system_ref == "C41"
    again = pulled(connection, is_full=True)
    assert (again.counts.get("missing", 0), GoneRef.objects.count()) == (0, 4)


def test_an_account_that_is_listed_again_is_gone_no_more(box, connection):
    box.customers(50)
    pulled(connection)
    box.run("DELETE FROM customers WHERE number = 'C10'")
    pulled(connection, is_full=True)
    box.customer("C10", first_name="Back")

    pulled(connection, is_full=True)

    assert not GoneRef.objects.exists()


def test_an_empty_list_marks_nothing_and_raises_an_alarm(box, connection, mailoutbox):
    UserFactory(is_superuser=True, email="diaz@example.org")
    box.customers(20)
    pulled(connection)
    box.run("DELETE FROM customers")

    run = pulled(connection, is_full=True)

    assert run.state == State.HELD
    assert not GoneRef.objects.exists()
    assert PullAlarm.objects.get().kind == PullAlarm.Kind.EMPTY_LIST
    assert [mail.to for mail in mailoutbox] == [["diaz@example.org"]]
    pulled(connection, is_full=True, accepts=True)
    assert not GoneRef.objects.exists()
    assert len(mailoutbox) == 1


def test_too_many_missing_at_once_wait_for_a_persons_word(box, connection):
    box.customers(100)
    pulled(connection)
    box.run("DELETE FROM customers WHERE number LIKE 'C1%'")

    held = pulled(connection, is_full=True)

    assert (held.state, held.message) == (
        State.HELD,
        "12 of 100 accounts are missing at the source. None was marked.",
    )
    assert not GoneRef.objects.exists()
    run = pulled(connection, accepts=True)
    assert (run.state, run.counts["missing"]) == (State.DONE, 12)
    assert PullAlarm.objects.get().over_at is not None


def test_a_pull_needs_the_right_to_change_the_systems_records(box, connection):
    box.customers(1)

    with pytest.raises(MayNotConnect):
        pulled(connection, by=UserFactory())

    assert not SystemRef.objects.exists()


def test_a_query_that_does_not_fit_the_mapping_is_told_with_what_is_missing(box, connection):
    query = ACCOUNTS_QUERY.replace("number,", "number AS client,")
    save(
        connection.system,
        wanted_of(connection, options={**connection.options, "accounts_query": query}),
        by=None,
        now=NOW,
    )
    box.customers(1)

    run = pulled(connection)

    assert run.state == State.FAILED
    assert "number" in run.message
    assert PullAlarm.objects.get().kind == PullAlarm.Kind.FAILING

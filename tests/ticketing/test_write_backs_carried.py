"""Write-backs reach a real database, say why not, or wait; nothing that a person wrote is lost."""

import datetime as dt

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from contacts.models import FieldChange, GoneRef, HeldValue, SystemRef
from contacts.models.history import Origin
from contacts.services.corrections import CannotCorrect
from ticketing import tasks
from ticketing.connectors.sql_database import SqlDatabase
from ticketing.models import PullAlarm, WriteBack
from ticketing.services.connections import save_connection, set_paused, wanted_of
from ticketing.services.reverts import revert
from ticketing.services.submit import send_again, submit
from ticketing.services.sweep_write_backs import sweep

from ..factories import NOW
from .box_office import ann, at_source, carried, pulled, submitted
from .sources import let_write

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("local_sources")]

State = WriteBack.State


def test_what_was_submitted_reaches_the_source_and_holds_until_a_pull_brings_it(box, connection, rep):
    write_back = submitted(rep, city="York", first_name="Anne")

    assert carried(connection) == ["written"]
    assert (at_source(box), at_source(box, "first_name"), at_source(box, "email")) == (
        "York",
        "Anne",
        "ann@example.org",
    )
    write_back.refresh_from_db()
    assert (write_back.settled_at, write_back.attempts, write_back.reason) == (NOW, 1, "")
    assert HeldValue.objects.count() == 2

    pulled(connection)
    assert not HeldValue.objects.exists()
    assert ann().city == "York"


def test_a_pull_between_submit_and_writing_does_not_undo_it(box, connection, rep):
    submitted(rep, city="York")
    pulled(connection, is_full=True)

    assert ann().city == "York"
    assert carried(connection) == ["written"]
    assert (at_source(box), ann().city) == ("York", "York")


def test_one_that_was_written_before_a_crash_is_not_written_again(box, connection, rep, monkeypatch):
    submitted(rep, city="York")
    box.customer("C1", city="York")
    monkeypatch.setattr(SqlDatabase, "write_account", None)

    assert carried(connection) == ["written"]


def test_what_somebody_changed_at_the_source_meanwhile_is_kept_and_so_is_what_the_rep_wrote(
    box, connection, rep
):
    write_back = submitted(rep, city="York", first_name="Anne")
    box.customer("C1", city="Bath")

    assert carried(connection) == ["refused"]
    write_back.refresh_from_db()
    assert write_back.reason == "Somebody changed this at the source since: city."
    assert write_back.values == {"city": "York", "first_name": "Anne"}
    assert (ann().city, ann().first_name, at_source(box)) == ("Bath", "Ann", "Bath")
    assert not HeldValue.objects.exists()
    back = FieldChange.objects.filter(field="city").latest("pk")
    assert (back.before, back.after, back.origin, back.actor) == ("York", "Bath", Origin.PULL, None)

    send_again(write_back, write_back.values, by=rep, now=NOW)
    assert carried(connection) == ["sent_again", "written"]
    assert at_source(box) == ann().city == "York"


def test_a_value_that_the_source_does_not_take_is_refused_with_the_reason(box, connection, rep):
    box.run(
        "CREATE TRIGGER short BEFORE UPDATE ON customers WHEN length(NEW.city) > 6 "
        "BEGIN SELECT RAISE(ABORT, 'too long'); END"
    )
    write_back = submitted(rep, city="Scarborough")

    assert carried(connection) == ["refused"]
    write_back.refresh_from_db()
    assert write_back.reason.startswith("The database does not take a value")
    assert write_back.advice
    assert ann().city == at_source(box) == "Leeds"


def test_what_the_source_makes_of_a_value_is_what_stands(box, connection, rep):
    box.run(
        "CREATE TRIGGER loud AFTER UPDATE OF city ON customers "
        "BEGIN UPDATE customers SET city = upper(NEW.city) WHERE number = NEW.number; END"
    )
    submitted(rep, city="York")

    assert carried(connection) == ["written"]
    assert ann().city == at_source(box) == "YORK"
    pulled(connection)
    assert not HeldValue.objects.exists()


def test_what_a_source_made_of_a_value_before_a_crash_counts_as_written(box, connection, rep):
    submitted(rep, city="York")
    box.customer("C1", city="YORK")

    assert carried(connection) == ["written"]
    assert ann().city == "YORK"


def test_an_account_that_is_gone_meanwhile_is_refused_and_returns(box, connection, rep):
    write_back = submitted(rep, city="York")
    box.run("DELETE FROM customers")

    assert carried(connection) == ["refused"]
    write_back.refresh_from_db()
    assert write_back.reason == "The source does not know this account any more."
    assert ann().city == "Leeds"


def test_changes_of_one_account_go_out_in_their_order(box, connection, rep, monkeypatch):
    sent = []
    write = SqlDatabase.write_account

    def noted(self, number, values, *, version):
        sent.append(values["city"])
        return write(self, number, values, version=version)

    monkeypatch.setattr(SqlDatabase, "write_account", noted)
    for city in ("York", "Hull", "Leeds"):
        submitted(rep, city=city)

    assert carried(connection) == ["written"] * 3
    assert sent == ["York", "Hull", "Leeds"]
    assert at_source(box) == ann().city == "Leeds"


def test_a_change_taken_back_before_the_pull_is_not_brought_again_by_it(box, connection, rep):
    submitted(rep, city="York")
    carried(connection)
    revert(FieldChange.objects.filter(field="city").get(), by=rep, now=NOW)

    pulled(connection)
    assert ann().city == "Leeds"

    carried(connection)
    pulled(connection)
    assert at_source(box) == ann().city == "Leeds"
    assert not HeldValue.objects.exists()


def test_after_a_refusal_the_next_change_is_measured_by_what_the_source_said(box, connection, rep):
    box.run(
        "CREATE TRIGGER short BEFORE UPDATE ON customers WHEN length(NEW.city) > 6 "
        "BEGIN SELECT RAISE(ABORT, 'too long'); END"
    )
    submitted(rep, city="Scarborough")
    submitted(rep, city="Filey")

    assert carried(connection) == ["refused", "written"]
    assert at_source(box) == ann().city == "Filey"


@pytest.mark.parametrize("before", [None, "no address"])
def test_a_source_that_says_nothing_legible_of_the_field_is_written(box, connection, rep, before):
    box.customer("C1", email=before)
    submitted(rep, email="anne@example.org")

    assert carried(connection) == ["written"]
    assert at_source(box, "email") == "anne@example.org"


def test_somebody_who_changes_another_field_in_between_is_not_overwritten(box, connection, rep, monkeypatch):
    submitted(rep, city="York")
    read = SqlDatabase.read_account
    changes = iter([{"phone": "0113 496 0001"}])

    def read_before_a_change(self, number):
        account = read(self, number)
        if change := next(changes, None):
            box.customer("C1", **change)
        return account

    monkeypatch.setattr(SqlDatabase, "read_account", read_before_a_change)

    assert carried(connection) == ["written"]
    assert (at_source(box), at_source(box, "phone")) == ("York", "0113 496 0001")


def test_an_account_that_never_stays_still_is_tried_again_later(box, connection, rep, monkeypatch):
    write_back = submitted(rep, city="York")
    read = SqlDatabase.read_account
    numbers = iter(range(1000, 2000))

    def read_before_a_change(self, number):
        account = read(self, number)
        box.customer("C1", phone=f"0113 496 {next(numbers)}")
        return account

    with monkeypatch.context() as patch:
        patch.setattr(SqlDatabase, "read_account", read_before_a_change)
        assert carried(connection) == ["waiting"]

    write_back.refresh_from_db()
    assert (write_back.attempts, write_back.try_after) == (1, NOW + dt.timedelta(minutes=1))
    assert not PullAlarm.objects.exists()
    assert carried(connection, now=write_back.try_after) == ["written"]


def test_while_the_source_is_away_pauses_grow_and_then_all_of_it_goes_out(box, connection, rep):
    away = box.path.with_suffix(".away")
    box.path.rename(away)
    first, second = submitted(rep, city="York"), submitted(rep, first_name="Anne")

    now, pauses = NOW, []
    for _ in range(8):
        assert carried(connection, now=now) == ["waiting", "waiting"]
        first.refresh_from_db()
        pauses.append((first.try_after - now) // dt.timedelta(minutes=1))
        now = first.try_after
    second.refresh_from_db()

    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    assert first.reason
    assert (first.attempts, second.attempts) == (8, 0)
    assert ann().city == "York"
    away.rename(box.path)
    assert carried(connection, now=now) == ["written", "written"]


def test_one_that_waits_for_a_day_raises_an_alarm_that_is_over_once_it_is_written(box, connection, rep):
    away = box.path.with_suffix(".away")
    box.path.rename(away)
    submitted(rep, city="York")
    carried(connection)
    assert not PullAlarm.objects.exists()

    tomorrow = NOW + dt.timedelta(days=1)
    sweep(clock=lambda: tomorrow)
    alarm = PullAlarm.objects.get()
    assert (alarm.kind, alarm.over_at) == (PullAlarm.Kind.UNSENT, None)
    assert alarm.message.startswith("1 changes wait to be written, the oldest since 2026-03-02 12:00 UTC.")

    away.rename(box.path)
    sweep(clock=lambda: tomorrow + dt.timedelta(hours=1))
    alarm.refresh_from_db()
    assert alarm.over_at is not None
    assert at_source(box) == "York"


def test_a_write_statement_that_does_not_fit_any_more_is_told_to_the_administrator(box, connection, rep):
    write_back = submitted(rep, city="York")
    box.run("ALTER TABLE customers RENAME COLUMN phone TO telephone")

    assert carried(connection) == ["waiting"]
    write_back.refresh_from_db()
    assert PullAlarm.objects.get().message == f"{write_back.reason} {write_back.advice}"
    assert ann().city == "York"


def test_a_mistake_of_ours_loses_nothing_and_holds_up_nobody(box, connection, rep, monkeypatch, caplog):
    box.customer("C2", first_name="Bo", city="Leeds")
    pulled(connection)
    submitted(rep, city="York")
    bo = SystemRef.objects.get(system_ref="C2")
    submit(bo, {"city": "Hull"}, seen=None, by=rep, now=NOW)
    read = SqlDatabase.read_account

    def broken_for_ann(self, number):
        if number == "C1":
            raise ZeroDivisionError
        return read(self, number)

    monkeypatch.setattr(SqlDatabase, "read_account", broken_for_ann)

    assert carried(connection) == ["waiting", "written"]
    assert "A write-back went wrong" in caplog.text
    assert ann().city == "York"


def test_of_a_paused_connection_nothing_is_written_until_it_goes_on(box, connection, rep):
    submitted(rep, city="York")
    set_paused(connection, True, by=None, now=NOW)
    assert carried(connection) == ["waiting"]
    assert at_source(box) == "Leeds"

    set_paused(connection, False, by=None, now=NOW)
    assert carried(connection) == ["written"]


def test_what_the_connection_cannot_write_any_more_becomes_a_task(box, connection, rep):
    submitted(rep, city="York")
    wanted = wanted_of(connection, secrets={"write_url": ""})
    save_connection(connection.system, wanted, by=None, now=NOW)

    assert carried(connection) == ["to_do"]
    assert ann().city == "York"


def test_of_a_change_what_the_connection_cannot_write_any_more_is_parted_off(box, connection, rep):
    submitted(rep, city="York", first_name="Anne")
    only_city = "UPDATE customers SET city = :city WHERE number = :system_ref"
    let_write(connection, box, now=NOW, write_statement=only_city)

    assert carried(connection) == ["written", "to_do"]
    assert list(WriteBack.objects.order_by("pk").values_list("values", flat=True)) == [
        {"city": "York"},
        {"first_name": "Anne"},
    ]
    assert (at_source(box), at_source(box, "first_name")) == ("York", "Ann")


def test_while_credentials_cannot_be_read_everything_waits(box, connection, rep, settings):
    keys = settings.CREDENTIAL_KEY_FILE
    settings.CREDENTIAL_KEY_FILE = f"{keys}.lost"

    submitted(rep, city="York")
    assert carried(connection) == ["waiting"]
    assert PullAlarm.objects.get().kind == PullAlarm.Kind.UNSENT

    settings.CREDENTIAL_KEY_FILE = keys
    assert carried(connection, now=NOW + dt.timedelta(hours=1)) == ["written"]


def test_what_waits_for_a_connection_that_is_gone_becomes_a_task(connection, rep):
    submitted(rep, city="York")
    connection.delete()

    sweep(clock=lambda: NOW)

    assert WriteBack.objects.get().state == State.TO_DO


def test_a_task_is_done_once_the_source_says_so(box, connection, rep):
    task = submitted(rep, country="FR")
    assert task.state == State.TO_DO
    box.run("ALTER TABLE customers ADD COLUMN country TEXT")
    box.run("UPDATE customers SET country = 'FR', changed_at = CURRENT_TIMESTAMP")
    query = connection.options["accounts_query"].replace("city,", "city, country,")
    let_write(connection, box, now=NOW, accounts_query=query)

    sweep(clock=lambda: NOW)
    task.refresh_from_db()
    assert task.state == State.TO_DO

    pulled(connection)
    sweep(clock=lambda: NOW)
    task.refresh_from_db()
    assert (task.state, task.settled_at, task.settled_by) == (State.DONE, NOW, None)


def held() -> list[tuple]:
    found = HeldValue.objects.order_by("field")
    return [(one.field, one.source_value, one.differs_since is not None) for one in found]


def test_a_write_that_does_not_move_the_sources_clock_is_confirmed_by_looking(box, connection, rep):
    silent = "UPDATE customers SET city = :city WHERE number = :system_ref"
    let_write(connection, box, now=NOW, write_statement=silent)
    pulled(connection)
    box.run("UPDATE customers SET changed_at = '2020-01-01 10:00:00'")
    submitted(rep, city="York")
    sweep(clock=timezone.now)
    assert held() == [("city", "York", False)]

    pulled(connection)
    assert held() == [("city", "York", False)]
    sweep(clock=timezone.now)
    assert held() == []


def test_what_somebody_takes_back_at_the_source_before_a_pull_is_a_conflict(box, connection, rep):
    submitted(rep, city="York")
    sweep(clock=timezone.now)
    box.customer("C1", city="Leeds", last_name="Marlowe")
    sweep(clock=timezone.now)
    assert held() == [("city", "York", False)]

    pulled(connection)
    assert not HeldValue.objects.conflicts().exists()
    sweep(clock=timezone.now)
    assert held() == [("city", "Leeds", True)]
    assert ann().city == "York"


def test_a_field_that_is_a_task_goes_on_holding_when_the_written_one_is_confirmed(box, connection, rep):
    silent = "UPDATE customers SET city = :city WHERE number = :system_ref"
    let_write(connection, box, now=NOW, write_statement=silent)
    pulled(connection)
    box.run("UPDATE customers SET changed_at = '2020-01-01 10:00:00'")
    submitted(rep, city="York", first_name="Anne")
    sweep(clock=timezone.now)

    pulled(connection)
    sweep(clock=timezone.now)
    assert held() == [("first_name", "Ann", False)]


def test_the_cluster_writes_and_finds_nothing_the_second_time(box, connection, rep):
    write_back = submitted(rep, city="York")

    said = [tasks.write_back(write_back_id=write_back.pk) for _ in range(2)]

    assert said == ["1 looked at.", "0 looked at."]
    assert tasks.write_back(write_back_id=0) == "Nothing to write."
    assert at_source(box) == "York"


def test_one_whose_task_was_lost_is_swept_up(box, connection, rep):
    submitted(rep, city="York")

    assert tasks.sweep_write_backs() == "1 looked at."
    assert at_source(box) == "York"


def test_the_right_was_judged_when_it_was_submitted(box, connection, rep):
    submitted(rep, city="York")
    User.objects.filter(pk=rep.pk).update(is_active=False)

    assert carried(connection) == ["written"]


def test_an_account_gone_at_its_source_takes_no_change_until_a_pull_brings_it_back(box, connection, rep):
    box.customer("C2", first_name="Bo")
    box.run("DELETE FROM customers WHERE number = 'C1'")
    pulled(connection, is_full=True, accepts=True)
    assert GoneRef.objects.get().system_ref == ann()

    with pytest.raises(CannotCorrect, match="does not know it any more"):
        submitted(rep, city="York")
    assert not WriteBack.objects.exists()

    box.customer("C1", first_name="Ann", city="Leeds")
    pulled(connection)
    submitted(rep, city="York")
    assert carried(connection) == ["written"]


def test_an_account_that_a_pull_marked_gone_while_its_change_waited_is_refused(box, connection, rep):
    write_back = submitted(rep, city="York")
    GoneRef.objects.create(system_ref=ann(), reason="erased", noticed_at=NOW)

    assert carried(connection) == ["refused"]
    write_back.refresh_from_db()
    assert write_back.reason.startswith("It was erased at its source")
    assert at_source(box) == "Leeds"

"""Two at once: two workers write each change once, of two reps the second sees both values."""

import threading
from contextlib import closing

import pytest
from django.db import connection as database
from django.utils import timezone

from contacts.models import FieldChange, HeldValue, SystemRef
from contacts.permissions import SystemRight, grant
from contacts.services.corrections import Overtaken
from ticketing import tasks
from ticketing.connectors.sql_database import SqlDatabase
from ticketing.models import PullRun, WriteBack
from ticketing.services.pull import pull
from ticketing.services.submit import send_again, settle_conflict, submit
from ticketing.services.write_backs import CannotSettle

from ..factories import NOW, TicketSystemFactory, UserFactory
from .sources import connect, let_write

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.skipif(database.vendor == "sqlite", reason="two connections to a memory do not wait"),
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("local_sources"),
]


@pytest.fixture
def connection(box):
    box.customers(6)
    made = connect(box, TicketSystemFactory(code="BOX"), now=NOW)
    let_write(made, box, now=NOW)
    pull(made, trigger=PullRun.Trigger.COMMAND, clock=timezone.now)
    return made


@pytest.fixture
def reps(connection):
    two = [UserFactory(), UserFactory()]
    for rep in two:
        for right in SystemRight:
            grant(rep, right, on=connection.system)
    return two


def at_once(*works):
    """Let all work at the same moment, each over a database connection of its own; what each came to."""
    start, outcomes = threading.Barrier(len(works)), [None] * len(works)

    def run(place, work):
        with closing(database):
            start.wait()
            try:
                outcomes[place] = work()
            except Exception as error:  # looked at by the test
                outcomes[place] = error

    threads = [threading.Thread(target=run, args=(place, work)) for place, work in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def test_two_workers_write_each_change_once_and_none_while_a_transaction_is_open(
    box, connection, reps, monkeypatch
):
    sent, open_ones = [], []
    write = SqlDatabase.write_account

    def noted(self, number, values, *, version):
        open_ones.append(database.in_atomic_block)
        sent.append(number)
        return write(self, number, values, version=version)

    monkeypatch.setattr(SqlDatabase, "write_account", noted)
    filed = [
        submit(ref, {"city": "York"}, seen=None, by=reps[0], now=NOW).write_back
        for ref in SystemRef.objects.order_by("pk")
    ]

    at_once(
        *(lambda one=one: tasks.write_back(write_back_id=one.pk) for one in filed), tasks.sweep_write_backs
    )

    assert sorted(sent) == ["C1", "C2", "C3", "C4", "C5", "C6"]
    assert set(open_ones) == {False}
    assert set(WriteBack.objects.values_list("state", "attempts")) == {("written", 1)}
    assert set(box.ask("SELECT city FROM customers")) == {("York",)}


def test_of_two_reps_who_change_one_field_at_once_the_second_sees_both_values(connection, reps):
    ref = SystemRef.objects.get(system_ref="C1")

    outcomes = at_once(
        *(
            lambda rep=rep, name=name: submit(
                ref, {"first_name": name}, seen={"first_name": "Fan1"}, by=rep, now=NOW
            )
            for rep, name in zip(reps, ("Ann", "Bo"), strict=True)
        )
    )

    [told] = [outcome for outcome in outcomes if isinstance(outcome, Overtaken)]
    ref.refresh_from_db()
    assert told.theirs == {"first_name": ref.first_name}
    assert WriteBack.objects.get().values == {"first_name": ref.first_name}
    assert FieldChange.objects.filter(field="first_name").count() == 1


def test_of_two_reps_who_change_other_fields_at_once_both_are_kept(box, connection, reps):
    ref = SystemRef.objects.get(system_ref="C1")
    changes = [{"first_name": "Ann"}, {"city": "York"}]

    at_once(
        *(
            lambda rep=rep, change=change: submit(ref, change, seen=None, by=rep, now=NOW)
            for rep, change in zip(reps, changes, strict=True)
        )
    )
    tasks.sweep_write_backs()

    assert box.ask("SELECT first_name, city FROM customers WHERE number = 'C1'") == [("Ann", "York")]


def test_a_submit_and_a_pull_at_once_keep_what_the_rep_wrote(box, connection, reps):
    ref = SystemRef.objects.get(system_ref="C1")
    for number in range(1, 7):
        box.customer(f"C{number}", city="Leeds")

    outcomes = at_once(
        lambda: submit(ref, {"first_name": "Ann"}, seen=None, by=reps[0], now=NOW),
        lambda: pull(connection, trigger=PullRun.Trigger.COMMAND, clock=timezone.now),
    )

    assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    ref.refresh_from_db()
    assert (ref.first_name, ref.city) == ("Ann", "Leeds")
    assert HeldValue.objects.get().source_value == "Fan1"


def test_a_conflict_and_a_refused_change_are_each_decided_once(connection, reps):
    ref = SystemRef.objects.get(system_ref="C1")
    submit(ref, {"city": "York"}, seen=None, by=reps[0], now=NOW)
    HeldValue.objects.update(source_value="Bath", differs_since=NOW)
    held = HeldValue.objects.get()

    at_once(
        lambda: settle_conflict(held, True, by=reps[0], now=NOW),
        lambda: settle_conflict(held, False, by=reps[1], now=NOW),
    )
    ref.refresh_from_db()
    decided = (ref.city, HeldValue.objects.count())
    assert decided in [("Bath", 0), ("York", 1)]

    old = WriteBack.objects.create(
        system_ref=ref, values={"company": "A"}, before={"company": ""}, state="refused", reason="No.",
        at=NOW, settled_at=NOW,
    )  # fmt: skip
    outcomes = at_once(*(lambda rep=rep: send_again(old, {"company": "A"}, by=rep, now=NOW) for rep in reps))
    assert [type(outcome) for outcome in outcomes].count(CannotSettle) == 1
    assert WriteBack.objects.filter(follows=old).count() == 1

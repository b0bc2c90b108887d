"""A source makes something else of what was written, keeps nothing of it, or says it in its own way."""

import pytest
from django.utils import timezone

from contacts.models import HeldValue, SystemRef
from ticketing.connectors.base import ChangedSchema
from ticketing.connectors.sql_database import SqlDatabase
from ticketing.services import confirm_written
from ticketing.services.source_values import standing_of
from ticketing.services.submit import submit
from ticketing.services.sweep_write_backs import sweep

from ..factories import NOW
from .box_office import ann, at_source, carried, pulled, submitted

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("local_sources")]

KEEPS_ITS_CITY = (
    "CREATE TRIGGER keep AFTER UPDATE OF city ON customers "
    "BEGIN UPDATE customers SET city = OLD.city WHERE number = OLD.number; END"
)
FIVE_LETTERS = (
    "CREATE TRIGGER short AFTER UPDATE OF city ON customers WHEN length(NEW.city) > 5 "
    "BEGIN UPDATE customers SET city = substr(NEW.city, 1, 5) WHERE number = NEW.number; END"
)
CAPITALS = (
    "CREATE TRIGGER loud AFTER UPDATE OF city ON customers WHEN NEW.city <> upper(NEW.city) "
    "BEGIN UPDATE customers SET city = upper(NEW.city) WHERE number = NEW.number; END"
)
REFUSES_ALL = "CREATE TRIGGER no BEFORE UPDATE ON customers BEGIN SELECT RAISE(ABORT, 'no'); END"
LOCAL_NUMBERS = (
    "CREATE TRIGGER local AFTER UPDATE OF phone ON customers WHEN NEW.phone LIKE '+44%' "
    "BEGIN UPDATE customers SET phone = '0' || substr(replace(NEW.phone, ' ', ''), 4) "
    "WHERE number = NEW.number; END"
)


def test_an_address_that_differs_by_a_mark_is_somebody_elses_change(box, connection, rep):
    write_back = submitted(rep, email="ann-marlow@example.org")
    box.customer("C1", email="annmarlow@example.org")

    assert carried(connection) == ["refused"]
    write_back.refresh_from_db()
    assert write_back.reason == "Somebody changed this at the source since: e-mail."
    assert ann().email == at_source(box, "email") == "annmarlow@example.org"


def test_whoever_is_killed_after_the_source_wrote_a_number_its_own_way_finds_it_written(
    box, connection, rep, monkeypatch
):
    box.run(LOCAL_NUMBERS)
    submitted(rep, phone="+44 113 496 0001")

    class Killed(BaseException):
        """What ends a process says nothing to it."""

    def killed(*_given, **_options):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("ticketing.services.carry_out._note_written", killed)
        with pytest.raises(Killed):
            carried(connection)

    assert carried(connection) == ["written"]
    assert ann().phone == at_source(box, "phone") == "01134960001"


@pytest.mark.parametrize(
    ("field", "wanted", "theirs", "is_same"),
    [
        ("email", "Ann@example.org", "ann@example.org", True),
        ("email", "a.nn@example.org", "an.n@example.org", False),
        ("phone", "+44 113 496 0001", "0113 4960001", True),
        ("phone", "+44 113 496 0001", "+33 113 496 0001", False),
        ("mobile", "ext. 12-3", "123", True),
        ("last_name", "O'Neill-Marlow", "ONEILL MARLOW", True),
        ("address1", "Flat 1/12", "FLAT 1 12", True),
        ("address1", "Flat 1/12", "Flat 11/2", False),
        ("postcode", "111 22", "11122", True),
        ("external_customer_id", "A-1", "A1", False),
    ],
)
def test_the_same_value_in_another_notation_is_what_the_source_made_of_it(field, wanted, theirs, is_same):
    standing = standing_of(
        {field: wanted}, {field: theirs}, known={field: {"before"}}, blanks_count=False, country="GB"
    )

    assert (standing.done == [field], standing.other == [field]) == (is_same, not is_same)


@pytest.mark.parametrize("keeps", ["the old value", "nothing"])
def test_a_change_that_the_source_does_not_keep_is_refused_and_stays_to_be_sent_again(
    box, connection, rep, keeps
):
    box.run(KEEPS_ITS_CITY if keeps == "the old value" else KEEPS_ITS_CITY.replace("= OLD.city", "= NULL"))
    write_back = submitted(rep, city="York", first_name="Anne")

    assert carried(connection) == ["refused"]
    write_back.refresh_from_db()
    assert write_back.reason == "The source did not keep it: city."
    assert write_back.values == {"city": "York", "first_name": "Anne"}
    assert (ann().city, ann().first_name) == ("Leeds", "Anne")


def test_what_the_source_made_something_else_of_is_told_with_the_written_change(box, connection, rep):
    box.run(FIVE_LETTERS)
    write_back = submitted(rep, city="Scarborough", first_name="Anne")

    assert carried(connection) == ["written"]
    write_back.refresh_from_db()
    assert write_back.reason == "The source made something else of it: city."
    assert ann().city == at_source(box) == "Scarb"


def test_a_change_that_waited_before_it_was_written_as_wanted_tells_nothing(box, connection, rep):
    away = box.path.with_suffix(".away")
    box.path.rename(away)
    write_back = submitted(rep, city="York")
    carried(connection)
    away.rename(box.path)
    write_back.refresh_from_db()
    assert write_back.reason

    assert carried(connection, now=write_back.try_after) == ["written"]
    write_back.refresh_from_db()
    assert (write_back.reason, write_back.advice) == ("", "")


def test_two_changes_that_are_both_refused_return_to_the_sources_blank(box, connection, rep):
    submitted(rep, phone="+44 113 496 0001")
    submitted(rep, phone="+44 113 496 0002")
    box.run(REFUSES_ALL)

    assert carried(connection) == ["refused", "refused"]
    assert ann().phone == ""


def test_two_changes_of_an_account_that_is_gone_return_to_what_its_source_said_last(box, connection, rep):
    submitted(rep, city="York")
    submitted(rep, city="Hull")
    box.run("DELETE FROM customers")

    assert carried(connection) == ["refused", "refused"]
    assert ann().city == "Leeds"


def test_a_refused_change_that_a_pull_has_agreed_with_meanwhile_stands(box, connection, rep):
    submitted(rep, city="York")
    submitted(rep, city="Hull")
    box.customer("C1", city="Hull")
    pulled(connection)
    box.run("DELETE FROM customers")

    assert carried(connection) == ["refused", "refused"]
    assert ann().city == "Hull"


@pytest.mark.parametrize(
    ("trigger", "field", "values"),
    [
        (CAPITALS, "city", ("York", "Hull")),
        (LOCAL_NUMBERS, "phone", ("+44 113 496 0001", "+44 113 496 0002")),
    ],
)
def test_two_changes_in_a_row_reach_a_source_that_writes_them_its_own_way(
    box, connection, rep, trigger, field, values
):
    box.run(trigger)
    for value in values:
        submitted(rep, **{field: value})

    assert carried(connection) == ["written", "written"]
    assert getattr(ann(), field) == at_source(box, field)


def test_what_was_written_opens_no_conflict_with_the_change_after_it(box, connection, rep):
    submitted(rep, city="York")
    carried(connection)
    submitted(rep, city="Hull")

    pulled(connection)

    assert not HeldValue.objects.conflicts().exists()
    assert ann().city == "Hull"
    assert carried(connection) == ["written", "written"]


def test_a_pull_that_brings_what_was_before_the_write_opens_no_conflict(box, connection, rep):
    submitted(rep, city="York")
    carried(connection)
    box.customer("C1", city="Leeds", last_name="Marlowe")

    pulled(connection)

    assert not HeldValue.objects.conflicts().exists()
    assert ann().city == "York"


def _bo_holds_what_was_written_and_taken_back(box, connection, rep):
    """Ann's and Bo's hand edits both hold; of Ann's some of it is still a task, so that hers holds on."""
    box.customer("C2", first_name="Bo", city="Leeds")
    pulled(connection)
    bo = SystemRef.objects.get(system_ref="C2")
    submit(ann(), {"city": "York", "company": "Acme"}, seen=None, by=rep, now=NOW)
    submit(bo, {"city": "York"}, seen=None, by=rep, now=NOW)
    sweep(clock=timezone.now)
    box.customer("C2", city="Leeds")
    pulled(connection)
    return bo


def test_accounts_whose_hand_edits_have_to_hold_take_no_place_from_others(box, connection, rep, monkeypatch):
    bo = _bo_holds_what_was_written_and_taken_back(box, connection, rep)
    monkeypatch.setattr(confirm_written, "MOST_AT_ONCE", 1)

    sweep(clock=timezone.now)

    assert HeldValue.objects.conflicts().get().system_ref == bo


def test_an_account_that_cannot_be_read_does_not_keep_others_from_being_looked_at(
    box, connection, rep, monkeypatch
):
    bo = _bo_holds_what_was_written_and_taken_back(box, connection, rep)
    HeldValue.objects.create(system_ref=ann(), field="city", source_value="Leeds", at=NOW)
    read = SqlDatabase.read_account

    def read_but_ann(self, number):
        if number == "C1":
            raise ChangedSchema("This one is too odd to be read.", advice="Look at it.")
        return read(self, number)

    monkeypatch.setattr(SqlDatabase, "read_account", read_but_ann)
    sweep(clock=timezone.now)

    assert HeldValue.objects.conflicts().get().system_ref == bo

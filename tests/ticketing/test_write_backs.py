"""What is submitted in the Ticketing Data Manager is filed for its source, and dealt with by people."""

import datetime as dt

import pytest
from django_q.models import OrmQ

from contacts.models import FieldChange, HeldValue, SystemRef, TicketSystem
from contacts.models.history import AT_SOURCE, Origin
from contacts.permissions import SystemRight, grant
from contacts.services.corrections import MayNotCorrect, Overtaken
from contacts.services.typed_values import Wrong
from ticketing.models import SourceConnection, WriteBack
from ticketing.services.connections import Wanted, save_connection
from ticketing.services.reverts import CannotRevert, revert
from ticketing.services.submit import send_again, settle_conflict, submit
from ticketing.services.write_backs import CannotSettle, drop, mark_done

from ..factories import NOW, MappingFactory, SystemRefFactory, UserFactory
from .sources import connect, let_write

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("local_sources")]

LATER = NOW + dt.timedelta(days=1)
State = WriteBack.State


def account(**details) -> SystemRef:
    return MappingFactory(system_ref=SystemRefFactory(system_ref="C1", **details)).system_ref


def rep(ref: SystemRef):
    by = UserFactory()
    for right in SystemRight:
        grant(by, right, on=ref.system)
    return by


def writable(ref: SystemRef, box) -> SourceConnection:
    """The account's system is the box office, which can be written."""
    connection = connect(box, ref.system, now=NOW)
    let_write(connection, box, now=NOW)
    return connection


def filed() -> list[tuple]:
    return list(WriteBack.objects.order_by("pk").values_list("state", "before", "values"))


def test_a_submit_is_filed_for_a_source_that_can_be_written(box):
    ref = account(email="old@example.org")
    writable(ref, box)

    submit(ref, {"email": "new@example.org"}, seen=None, by=rep(ref), now=NOW)

    assert filed() == [("waiting", {"email": "old@example.org"}, {"email": "new@example.org"})]


def test_the_cluster_is_asked_once_the_submit_is_committed(box, django_capture_on_commit_callbacks):
    ref = account(email="old@example.org")
    writable(ref, box)
    by = rep(ref)

    with django_capture_on_commit_callbacks(execute=True):
        write_back = submit(ref, {"email": "new@example.org"}, seen=None, by=by, now=NOW).write_back
        assert not OrmQ.objects.exists()

    [asked] = OrmQ.objects.all()
    assert (asked.func(), asked.task["kwargs"]) == (
        "ticketing.tasks.write_back",
        {"write_back_id": write_back.pk},
    )


def test_where_nothing_can_write_a_submit_is_a_task_for_people():
    ref = account(email="old@example.org")

    submit(ref, {"email": "new@example.org"}, seen=None, by=rep(ref), now=NOW)

    assert filed() == [("to_do", {"email": "old@example.org"}, {"email": "new@example.org"})]


def test_of_a_source_of_files_every_submit_is_a_task(tmp_path):
    ref = account(email="old@example.org")
    wanted = Wanted(connector="file_drop", options={"folder": str(tmp_path)})
    save_connection(ref.system, wanted, by=None, now=NOW)

    submit(ref, {"email": "new@example.org"}, seen=None, by=rep(ref), now=NOW)

    assert [state for state, _before, _values in filed()] == ["to_do"]


def test_a_submit_is_parted_into_what_the_source_takes_and_what_people_have_to_do(box):
    ref = account(email="old@example.org", country="GB")
    writable(ref, box)

    submit(ref, {"email": "new@example.org", "country": "FR"}, seen=None, by=rep(ref), now=NOW)

    assert filed() == [
        ("waiting", {"email": "old@example.org"}, {"email": "new@example.org"}),
        ("to_do", {"country": "GB"}, {"country": "FR"}),
    ]


def test_a_contact_entered_by_hand_has_no_source_to_tell():
    ref = account(first_name="Ann")
    TicketSystem.objects.update(kind=TicketSystem.Kind.HAND)
    ref.refresh_from_db()

    assert submit(ref, {"first_name": "Anne"}, seen=None, by=rep(ref), now=NOW).write_back is None


def test_a_second_submit_takes_the_place_of_a_task_about_the_same_field():
    ref = account(first_name="Ann", city="Leeds")
    by = rep(ref)
    submit(ref, {"first_name": "Anne", "city": "York"}, seen=None, by=by, now=NOW)
    submit(ref, {"city": "Hull"}, seen=None, by=by, now=LATER)

    assert filed() == [
        ("to_do", {"first_name": "Ann"}, {"first_name": "Anne"}),
        ("to_do", {"city": "Leeds"}, {"city": "Hull"}),
    ]


def test_a_task_that_is_undone_leaves_none():
    ref = account(city="Leeds")
    by = rep(ref)
    submit(ref, {"city": "York"}, seen=None, by=by, now=NOW)
    submit(ref, {"city": "Leeds"}, seen=None, by=by, now=LATER)

    assert filed() == [("dropped", {"city": "Leeds"}, {"city": "York"})]


def refused(ref: SystemRef, by) -> WriteBack:
    return WriteBack.objects.create(
        system_ref=ref,
        values={"city": "York"},
        before={"city": "Leeds"},
        state=State.REFUSED,
        reason="It is full.",
        by=by,
        at=NOW,
        settled_at=NOW,
    )


def test_a_refused_one_is_corrected_and_sent_again_once():
    ref = account(city="Leeds")
    by = rep(ref)
    old = refused(ref, by)

    new = send_again(old, {"city": "Hull"}, by=by, now=LATER).write_back
    with pytest.raises(CannotSettle):
        send_again(old, {"city": "Bath"}, by=by, now=LATER)

    old.refresh_from_db()
    assert (old.state, old.settled_by, old.settled_at) == (State.SENT_AGAIN, by, LATER)
    assert (new.follows, new.values) == (old, {"city": "Hull"})
    assert SystemRef.objects.get().city == "Hull"


def test_what_the_source_says_by_now_is_not_sent_again():
    ref = account(city="York")
    by = rep(ref)
    old = refused(ref, by)

    assert send_again(old, {"city": "York"}, by=by, now=LATER).write_back is None
    assert filed() == [("dropped", {"city": "Leeds"}, {"city": "York"})]


def test_what_cannot_be_taken_leaves_the_refused_one_as_it_is():
    ref = account(email="ann@example.org")
    by = rep(ref)
    old = refused(ref, by)

    with pytest.raises(Wrong):
        send_again(old, {"email": "ann"}, by=by, now=LATER)

    old.refresh_from_db()
    assert old.state == State.REFUSED


def test_a_refused_one_is_dropped_and_a_task_is_done():
    ref = account(city="Leeds")
    by = rep(ref)
    old = refused(ref, by)
    task = submit(ref, {"city": "Hull"}, seen=None, by=by, now=NOW).write_back

    for _ in range(2):
        assert drop(old, by=by, now=LATER).state == State.DROPPED
        assert mark_done(task, by=by, now=LATER).state == State.DONE
    with pytest.raises(CannotSettle):
        mark_done(old, by=by, now=LATER)


@pytest.mark.req("R-MDB-17", "R-MDB-26", "R-MDB-28")
@pytest.mark.parametrize("deed", [drop, mark_done, lambda one, **who: send_again(one, {}, **who)])
def test_without_the_right_to_change_nobody_deals_with_a_write_back(deed):
    ref = account(city="Leeds")
    looker = UserFactory()
    grant(looker, SystemRight.VIEW, on=ref.system)

    with pytest.raises(MayNotCorrect):
        deed(refused(ref, rep(ref)), by=looker, now=LATER)


def test_a_change_is_reverted_in_one_go_and_filed_for_the_source():
    ref = account(phone="0113 496 0001")
    by = rep(ref)
    SystemRef.objects.update(phone="0113 496 0999")
    change = FieldChange.objects.create(
        system_ref=ref,
        field="phone",
        before="0113 496 0001",
        after="0113 496 0999",
        origin=Origin.BOOKING,
        at=NOW,
    )

    revert(change, by=by, now=LATER)
    with pytest.raises(CannotRevert, match="already"):
        revert(change, by=by, now=LATER)

    assert SystemRef.objects.get().phone == "0113 496 0001"
    assert HeldValue.objects.get().source_value == "0113 496 0999"
    assert filed() == [("to_do", {"phone": "0113 496 0999"}, {"phone": "0113 496 0001"})]


def test_a_number_that_nobody_could_dial_stands_again_when_its_change_is_reverted():
    ref = account(phone="12")
    by = rep(ref)
    submit(ref, {"phone": "0113 496 0001"}, seen=None, by=by, now=NOW)

    revert(FieldChange.objects.get(field="phone"), by=by, now=LATER)

    ref.refresh_from_db()
    assert ref.phone == "12"


@pytest.mark.req("R-MDB-28")
@pytest.mark.parametrize("field", ["", AT_SOURCE, "phone", "city"])
def test_without_the_right_to_change_nobody_is_told_what_a_revert_would_come_to(field):
    ref = account(phone="0113 496 0001")
    looker = UserFactory()
    grant(looker, SystemRight.VIEW, on=ref.system)
    change = FieldChange.objects.create(
        system_ref=ref, field=field, before="0113 496 0001", origin=Origin.PULL, at=NOW
    )

    with pytest.raises(MayNotCorrect):
        revert(change, by=looker, now=LATER)


@pytest.mark.parametrize("field", ["", AT_SOURCE, "created_at"])
def test_what_is_no_change_of_a_detail_cannot_be_reverted(field):
    ref = account()
    change = FieldChange.objects.create(system_ref=ref, field=field, origin=Origin.PULL, at=NOW)

    with pytest.raises(CannotRevert):
        revert(change, by=rep(ref), now=LATER)


def conflict(ref: SystemRef, by) -> HeldValue:
    """The rep made it York of Leeds, which is a task by now, and the source says Bath since."""
    submit(ref, {"city": "York"}, seen=None, by=by, now=NOW)
    HeldValue.objects.update(source_value="Bath", differs_since=NOW)
    return HeldValue.objects.get()


def test_a_conflict_is_settled_for_the_source_and_what_was_still_to_be_told_is_withdrawn():
    ref = account(city="Leeds")
    by = rep(ref)
    held = conflict(ref, by)

    for _ in range(2):
        settle_conflict(held, True, by=by, now=LATER)

    assert SystemRef.objects.get().city == "Bath"
    assert not HeldValue.objects.exists()
    assert filed() == [("dropped", {"city": "Leeds"}, {"city": "York"})]
    assert FieldChange.objects.order_by("-pk").values_list("before", "after", "actor")[0] == (
        "York",
        "Bath",
        by.pk,
    )


def test_a_conflict_is_settled_for_the_person_and_the_source_is_told_again(box):
    ref = account(city="Leeds")
    by = rep(ref)
    held = conflict(ref, by)
    writable(ref, box)

    for _ in range(2):
        settle_conflict(held, False, by=by, now=LATER)

    assert SystemRef.objects.get().city == "York"
    assert HeldValue.objects.values_list("source_value", "differs_since").get() == ("Bath", None)
    assert filed() == [
        ("dropped", {"city": "Leeds"}, {"city": "York"}),
        ("waiting", {"city": "Bath"}, {"city": "York"}),
    ]


def test_a_conflict_that_moved_on_is_shown_anew():
    ref = account(city="Leeds")
    by = rep(ref)
    held = conflict(ref, by)

    with pytest.raises(Overtaken) as refusal:
        settle_conflict(held, True, by=by, now=LATER, seen="Cork")

    assert refusal.value.theirs == {"city": "Bath"}


@pytest.mark.req("R-MDB-17", "R-MDB-26", "R-MDB-28")
def test_without_the_right_to_change_no_conflict_is_settled():
    ref = account(city="Leeds")
    held = conflict(ref, rep(ref))
    looker = UserFactory()
    grant(looker, SystemRight.VIEW, on=ref.system)

    with pytest.raises(MayNotCorrect):
        settle_conflict(held, True, by=looker, now=LATER)

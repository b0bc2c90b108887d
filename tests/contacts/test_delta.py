"""A run over the changes alone comes to what a run over everything comes to."""

import datetime as dt

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contacts.grouping.keys import SLOT_NAMES
from contacts.models import (
    Contact,
    GroupDecision,
    GroupedRef,
    GroupingRun,
    Link,
    Mapping,
    PendingRef,
    SystemRef,
    TicketSystem,
)
from contacts.models.grouping_state import KEY_FIELDS
from contacts.pending_triggers import TRIGGERS
from contacts.services.golden import refresh_golden
from contacts.services.regroup import regroup
from contacts.services.removal import remove_refs
from tests.contacts.test_group_writes import broken
from tests.factories import NOW, SystemRefFactory, TicketSystemFactory

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

# People who can be taken for one another in every way there is: shared e-mails, blank names and initials,
# nicknames, namesakes of other dates, one house, names in the wrong boxes, and exact copies.
FIRST = ["Ann", "A", "", "Annie", "Robert", "Bob", "Lee"]
LAST = ["Marlow", "Marlowe", "Reyes", "Lee", ""]
EMAILS = ["", "ann@example.org", "bo@example.org", "an@example.org"]
MOBILES = ["", "07700 900123", "+44 7700 900123", "07700 900999"]
DATES = [None, dt.date(1980, 4, 2), dt.date(1980, 2, 4), dt.date(1954, 11, 30)]
PLACES = [("", ""), ("1 Quay Street", "LS1 4AB"), ("2 Quay Street", "LS1 4AB"), ("1 Quay Street", "")]

PEOPLE = st.builds(
    lambda first, last, email, mobile, born, place: {
        "first_name": first,
        "last_name": last,
        "email": email,
        "mobile": mobile,
        "date_of_birth": born,
        "address1": place[0],
        "postcode": place[1],
    },
    st.sampled_from(FIRST),
    st.sampled_from(LAST),
    st.sampled_from(EMAILS),
    st.sampled_from(MOBILES),
    st.sampled_from(DATES),
    st.sampled_from(PLACES),
)
SEATS = st.integers(0, 30)
STEPS = st.one_of(
    st.tuples(st.just("add"), PEOPLE),
    st.tuples(st.just("edit"), SEATS, PEOPLE),
    st.tuples(st.just("copy"), SEATS, SEATS),
    st.tuples(st.just("remove"), SEATS),
    st.tuples(st.just("must"), SEATS, SEATS),
    st.tuples(st.just("never"), SEATS, SEATS),
    st.tuples(st.just("lift"), SEATS),
)


def take(step) -> None:
    """Do one of STEPS to the refs there are."""
    verb, *given_ = step
    refs = list(SystemRef.objects.order_by("pk"))
    systems = list(TicketSystem.objects.order_by("pk"))
    if verb == "add":
        SystemRefFactory(system=systems[len(refs) % len(systems)], **given_[0])
        return
    ref = refs[given_[0] % len(refs)]
    if verb == "edit":
        write(ref, given_[1])
    elif verb == "copy":
        like = refs[given_[1] % len(refs)]
        details = ("first_name", "last_name", "email", "mobile", "date_of_birth", "address1", "postcode")
        write(ref, {name: getattr(like, name) for name in details})
    elif verb == "remove" and len(refs) > 8:
        remove_refs([ref.pk], now=NOW)
    elif verb in ("must", "never"):
        left, right = sorted([ref.pk, refs[given_[1] % len(refs)].pk])
        if left < right and not GroupDecision.objects.standing().filter(left=left, right=right).exists():
            GroupDecision.objects.create(kind=verb, left_id=left, right_id=right, since=NOW)
    elif verb == "lift":
        standing = list(GroupDecision.objects.standing().order_by("pk"))
        if standing:
            GroupDecision.objects.filter(pk=standing[given_[0] % len(standing)].pk).update(until=NOW)


def write(ref: SystemRef, details: dict[str, object]) -> None:
    """Edit a ref as the services do: the golden values of its Contact follow."""
    SystemRef.objects.filter(pk=ref.pk).update(**details)
    refresh_golden(Mapping.objects.filter(pk=ref.pk).values_list("contact", flat=True), now=NOW)


def state() -> dict[str, object]:
    """All that a run writes, but for its own record and when."""
    members: dict[int, set[int]] = {}
    for ref_id, contact_id in Mapping.objects.values_list("pk", "contact_id"):
        members.setdefault(contact_id, set()).add(ref_id)
    link = [field.name for field in Link._meta.fields if field.name != "id"]
    return {
        "groups": {frozenset(refs) for refs in members.values()},
        "mapping": set(Mapping.objects.values_list("pk", "contact_id", "is_primary")),
        "links": set(Link.objects.values_list(*link)),
        "keys": set(GroupedRef.objects.values_list()),
    }


@pytest.mark.req("R-CM-1", "R-CM-2", "C-20", "D-3")
@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(PEOPLE, min_size=14, max_size=20),
    st.lists(st.lists(STEPS, min_size=1, max_size=5), min_size=1, max_size=2),
)
def test_runs_over_the_changes_come_to_what_one_over_everything_comes_to(people, batches):
    with transaction.atomic():
        systems = [TicketSystemFactory(rank=10), TicketSystemFactory(rank=20, is_matched_across=False)]
        systems.append(TicketSystemFactory(rank=30))
        for number, person in enumerate(people):
            SystemRefFactory(system=systems[number % 3], **person)
        regroup(now=NOW)
        for steps in batches:
            for step in steps:
                take(step)
            regroup(now=NOW)
        by_changes = state()
        assert not GroupingRun.objects.order_by("-pk")[0].is_full
        assert broken() == []

        again = regroup(now=NOW, full=True)

        assert (again.joined, again.split, again.waiting) == (0, 0, 0)
        assert state() == by_changes
        transaction.set_rollback(True)


@pytest.mark.req("C-20", "D-3")
def test_copies_of_a_record_that_did_not_change_hang_on_it_and_not_on_who_came():
    person = {"first_name": "Ann", "last_name": "Marlow", "address1": "1 Quay Street", "postcode": "LS1 4AB"}
    person |= {"email": "ann@example.org", "date_of_birth": dt.date(1985, 5, 14)}
    for _ in range(3):
        SystemRefFactory(**person)
    regroup(now=NOW)
    SystemRefFactory(**{**person, "email": "other@example.net"})

    regroup(now=NOW)

    by_changes = set(Link.objects.values_list("left", "right"))
    regroup(now=NOW, full=True)
    assert by_changes == set(Link.objects.values_list("left", "right"))
    assert len(by_changes) == 3


def test_the_triggers_that_mark_changed_refs_stand():
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT tgname FROM pg_trigger")
        else:
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        assert set(TRIGGERS) <= {row[0] for row in cursor.fetchall()}


def test_there_is_an_indexed_column_for_each_key_that_the_engine_keeps():
    columns = tuple(
        field.name for field in GroupedRef._meta.fields if field.name not in ("system_ref", "content")
    )

    assert columns == KEY_FIELDS == SLOT_NAMES


def test_a_ref_is_marked_when_it_is_new_or_something_that_matching_looks_at_changes_and_anew_each_time():
    ref = SystemRefFactory(last_name="Marlow")
    (first,) = PendingRef.objects.values_list("pk", flat=True)
    PendingRef.objects.all().delete()

    SystemRef.objects.filter(pk=ref.pk).update(spent_total=5, language="en", last_name="Marlow")
    unmarked = PendingRef.objects.count()
    SystemRef.objects.filter(pk=ref.pk).update(last_name="Reyes")
    (second,) = PendingRef.objects.values_list("pk", flat=True)
    SystemRef.objects.filter(pk=ref.pk).update(date_of_birth=dt.date(1980, 4, 2))
    (third,) = PendingRef.objects.values_list("pk", flat=True)

    assert unmarked == 0
    assert first < second < third


def test_a_run_with_nothing_new_looks_at_nobody():
    SystemRefFactory(last_name="Marlow")
    first = regroup(now=NOW)

    again = regroup(now=NOW)

    assert (first.refs, again.refs) == (1, 0)
    assert again.contacts == Contact.objects.count() == 1
    assert not PendingRef.objects.exists()


def test_a_run_after_one_that_was_cut_off_is_a_full_one():
    SystemRefFactory(last_name="Marlow")
    regroup(now=NOW)
    GroupingRun.objects.update(finished_at=None)

    regroup(now=NOW)

    assert GroupingRun.objects.order_by("-pk")[0].is_full


def test_a_system_taken_out_of_matching_makes_the_next_run_a_full_one():
    ref = SystemRefFactory(last_name="Marlow")
    regroup(now=NOW)
    TicketSystem.objects.filter(pk=ref.system_id).update(is_matched_across=False)

    regroup(now=NOW)

    assert GroupingRun.objects.order_by("-pk")[0].is_full


def test_what_changes_while_a_run_is_at_work_waits_for_the_next_one():
    ref = SystemRefFactory(last_name="Marlow")
    regroup(now=NOW)
    SystemRef.objects.filter(pk=ref.pk).update(last_name="Reyes")

    def edit(_done, _total):
        SystemRef.objects.filter(pk=ref.pk).update(last_name="Okafor")

    regroup(now=NOW, progress=edit)

    assert PendingRef.objects.filter(system_ref=ref).exists()


@pytest.mark.req("R-CM-2")
def test_a_removed_ref_hands_on_the_lead_and_lets_go_those_it_alone_held_together():
    system = TicketSystemFactory(rank=10)
    one = SystemRefFactory(system=system, first_name="Ann", last_name="Marlow", email="ann@example.org")
    bridge = SystemRefFactory(
        system=system,
        first_name="Ann",
        last_name="Marlow",
        email="ann@example.org",
        mobile="07700 900123",
        postcode="LS1 4AB",
    )
    other = SystemRefFactory(
        system=system, first_name="Ann", last_name="Marlow", mobile="07700 900123", postcode="LS1 4AB"
    )
    regroup(now=NOW)
    assert Contact.objects.count() == 1

    removed = remove_refs([bridge.pk], now=NOW)
    night = regroup(now=NOW)

    assert (removed, night.split, Contact.objects.count()) == (1, 1, 2)
    assert set(Mapping.objects.values_list("pk", "is_primary")) == {(one.pk, True), (other.pk, True)}
    assert broken() == []


def test_the_last_ref_of_a_contact_takes_it_along():
    ref = SystemRefFactory(last_name="Marlow")
    regroup(now=NOW)

    remove_refs([ref.pk], now=NOW)

    assert not Contact.objects.exists()
    assert remove_refs([ref.pk], now=NOW) == 0


def test_keys_tell_nothing_and_go_with_their_ref():
    ref = SystemRefFactory(last_name="Marlow", email="ann@example.org")
    regroup(now=NOW)
    kept = GroupedRef.objects.get(pk=ref.pk)

    ref.delete()

    assert kept.key_01 > 0
    assert not GroupedRef.objects.exists()

"""System Refs that come in: idempotent, dated, with history, past the guards, under two callers."""

import datetime as dt
import threading

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from contacts import guards
from contacts.models import FieldChange, Organisation, QueueObject, SystemRef
from contacts.models.history import Origin
from contacts.services import arrivals
from contacts.services.arrivals import Arrival, Refusal, admit, assess
from contacts.services.golden import refresh_golden

from ..factories import NOW, MappingFactory, SystemRefFactory, TicketSystemFactory, UserFactory

pytestmark = pytest.mark.django_db

LATER = NOW + dt.timedelta(days=1)


def bring(system, *rows, now=NOW, **more):
    return admit(rows, system=system, way_in=Origin.IMPORT, now=now, **more)


def counts(admitted):
    return {name: count for name, count in admitted.counts.items() if count}


def history():
    return list(FieldChange.objects.order_by("pk").values_list("field", "before", "after"))


@pytest.mark.req("R-CM-3")
def test_a_new_ref_is_created_unplaced_with_one_row_of_history():
    system, actor = TicketSystemFactory(), UserFactory()

    admitted = bring(system, Arrival(2, "1", first_name="Ann", email="ann@example.org"), actor=actor)

    ref = SystemRef.objects.unplaced().get()
    assert counts(admitted) == {"created": 1}
    assert (ref.system, ref.system_ref, ref.first_name, ref.arrived_at) == (system, "1", "Ann", NOW)
    change = FieldChange.objects.get()
    assert (change.system_ref, change.field, change.origin, change.actor, change.at) == (
        ref,
        "",
        Origin.IMPORT,
        actor,
        NOW,
    )


@pytest.mark.req("R-MDB-2")
def test_the_same_number_in_two_systems_is_two_refs():
    ours, theirs = TicketSystemFactory(), TicketSystemFactory()

    bring(ours, Arrival(2, "1", first_name="Ann"))
    bring(theirs, Arrival(2, "1", first_name="Bo"))

    assert set(SystemRef.objects.values_list("system", "first_name")) == {(ours.pk, "Ann"), (theirs.pk, "Bo")}


def test_bringing_the_same_rows_again_writes_nothing():
    system = TicketSystemFactory()
    rows = [
        Arrival(2, "1", first_name="Ann", updated_at=NOW),
        Arrival(3, "2", date_of_birth=dt.date(1980, 2, 3)),
        Arrival(4, "3"),
    ]
    bring(system, *rows)
    Organisation.load()

    with CaptureQueriesContext(connection) as queries:
        admitted = bring(system, *rows, now=LATER)

    assert counts(admitted) == {"unchanged": 3}
    assert [q["sql"] for q in queries if not q["sql"].startswith(("SELECT", "SAVEPOINT", "RELEASE"))] == []


def test_a_change_is_told_field_by_field_and_blanks_do_not_overwrite():
    system = TicketSystemFactory()
    bring(
        system, Arrival(2, "1", first_name="Ann", email="old@example.org", date_of_birth=dt.date(1980, 2, 3))
    )

    admitted = bring(
        system, Arrival(2, "1", email="new@example.org", date_of_birth=dt.date(1981, 2, 3)), now=LATER
    )

    ref = SystemRef.objects.get()
    assert counts(admitted) == {"changed": 1}
    assert (ref.first_name, ref.email, ref.arrived_at) == ("Ann", "new@example.org", NOW)
    assert history() == [
        ("", "", ""),
        ("email", "old@example.org", "new@example.org"),
        ("date_of_birth", "1980-02-03", "1981-02-03"),
    ]


@pytest.mark.req("D-18")
@pytest.mark.parametrize(
    ("known", "given", "is_taken"),
    [
        (NOW, LATER, True),
        (NOW, NOW, True),
        (LATER, NOW, False),
        (NOW, None, False),
        (None, NOW, True),
        (None, None, True),
    ],
)
def test_newer_wins_and_equal_wins_and_undated_changes_only_what_was_never_dated(known, given, is_taken):
    system = TicketSystemFactory()
    bring(system, Arrival(2, "1", first_name="Ann", updated_at=known))

    admitted = bring(system, Arrival(2, "1", first_name="Anna", updated_at=given))

    assert counts(admitted) == {"changed" if is_taken else "unchanged": 1}
    assert SystemRef.objects.get().first_name == ("Anna" if is_taken else "Ann")


def test_a_row_that_is_only_newer_moves_the_date_and_tells_no_change_of_the_person():
    system = TicketSystemFactory()
    bring(system, Arrival(2, "1", first_name="Ann", updated_at=NOW))

    bring(system, Arrival(2, "1", first_name="Ann", updated_at=LATER))

    assert SystemRef.objects.get().updated_at == LATER
    assert history() == [("", "", "")]


def test_a_ref_that_comes_twice_is_what_its_rows_say_together_and_the_same_file_again_changes_nothing():
    system = TicketSystemFactory()
    rows = [
        Arrival(2, "1", first_name="Ann", city="Leeds"),
        Arrival(3, "1", first_name="Anna"),
        Arrival(4, "1", first_name="Anna"),
    ]

    first, again = bring(system, *rows), bring(system, *rows)

    assert counts(first) == {"created": 1, "unchanged": 2}
    assert counts(again) == {"unchanged": 3}
    ref = SystemRef.objects.get()
    assert (ref.first_name, ref.city) == ("Anna", "Leeds")
    assert history() == [("", "", "")]


def test_of_two_dated_rows_in_one_file_the_newer_wins_wherever_it_stands():
    system = TicketSystemFactory()

    admitted = bring(
        system,
        Arrival(2, "1", first_name="New", updated_at=LATER),
        Arrival(3, "1", first_name="Old", updated_at=NOW),
    )

    assert counts(admitted) == {"created": 1, "unchanged": 1}
    assert SystemRef.objects.get().first_name == "New"


def test_chunks_make_no_difference(monkeypatch):
    monkeypatch.setattr(arrivals, "ROWS_AT_ONCE", 2)
    system = TicketSystemFactory()
    rows = [Arrival(n, str(n % 3), first_name=f"N{n}") for n in range(7)]

    admitted = bring(system, *rows)

    assert counts(admitted) == {"created": 3, "changed": 4}
    assert set(SystemRef.objects.values_list("system_ref", "first_name")) == {
        ("0", "N6"),
        ("1", "N4"),
        ("2", "N5"),
    }


def test_a_changed_ref_brings_its_contacts_golden_values_along_and_is_noted_for_the_crms():
    Organisation.objects.update_or_create(pk=1, defaults={"is_crm_connected": True})
    placed = MappingFactory(system_ref=SystemRefFactory(first_name="Ann"))
    other = MappingFactory(system_ref=SystemRefFactory(first_name="Bo", system=placed.system_ref.system))
    refresh_golden([placed.contact_id, other.contact_id], now=NOW)
    QueueObject.objects.all().delete()

    bring(
        placed.system_ref.system,
        Arrival(2, placed.system_ref.system_ref, first_name="Anna"),
        Arrival(3, other.system_ref.system_ref, first_name="Bo"),
    )

    placed.contact.refresh_from_db()
    assert placed.contact.first_name == "Anna"
    assert list(QueueObject.objects.values_list("record_id", flat=True)) == [placed.contact_id]


def test_assess_counts_what_would_come_and_writes_nothing():
    system = TicketSystemFactory()
    bring(system, Arrival(2, "1", first_name="Ann"))

    would = assess(
        [Arrival(2, "1", first_name="Ann"), Arrival(3, "1", first_name="Anna"), Arrival(4, "2")],
        system=system,
        way_in=Origin.IMPORT,
    )

    assert counts(would) == {"created": 1, "changed": 1, "unchanged": 1}
    assert SystemRef.objects.get().first_name == "Ann"


class Doorkeeper:
    """Refuses System Ref 1, holds 2, and remembers what was written."""

    def __init__(self):
        self.written = []

    def before(self, rows, *, system, way_in):
        verdicts = {
            "1": guards.Verdict("Erased on request."),
            "2": guards.Verdict("Waits for an officer.", True),
        }
        return {
            index: verdicts[row.system_ref] for index, row in enumerate(rows) if row.system_ref in verdicts
        }

    def after(self, ref_ids, *, system, way_in, now):
        self.written += SystemRef.objects.filter(pk__in=ref_ids).values_list("system_ref", flat=True)


@pytest.fixture
def doorkeeper():
    guard = guards.register(Doorkeeper())
    yield guard
    guards.unregister(guard)


def test_guards_refuse_or_hold_rows_before_and_hear_of_the_others_after(doorkeeper):
    system = TicketSystemFactory()

    admitted = bring(system, Arrival(2, "1"), Arrival(3, "2"), Arrival(4, "3"))

    assert counts(admitted) == {"created": 1, "held": 1, "rejected": 1}
    assert admitted.refusals == [
        Refusal(2, "", "1", "Erased on request."),
        Refusal(3, "", "2", "Waits for an officer.", True),
    ]
    assert doorkeeper.written == ["3"]


def test_guards_are_told_nothing_when_nothing_is_written(doorkeeper):
    system = TicketSystemFactory()
    bring(system, Arrival(2, "3"))
    doorkeeper.written.clear()

    bring(system, Arrival(2, "3"))

    assert doorkeeper.written == []


MOMENTS = st.integers(0, 10**6).map(lambda minutes: NOW + dt.timedelta(minutes=minutes))


class OrderOfArrival(TestCase):
    """Hypothesis needs a TestCase of its own to roll each example back."""

    @settings(max_examples=25, deadline=None)
    @given(st.lists(MOMENTS, unique=True, min_size=2, max_size=6).flatmap(st.permutations))
    def test_the_order_in_which_dated_full_rows_arrive_never_matters(self, moments):
        system = TicketSystemFactory()

        for moment in moments:
            bring(system, Arrival(2, "1", first_name=f"at {moment}", updated_at=moment))

        ref = SystemRef.objects.get(system=system)
        assert (ref.first_name, ref.updated_at) == (f"at {max(moments)}", max(moments))

    @settings(max_examples=25, deadline=None)
    @given(
        st.lists(
            st.builds(
                lambda **values: Arrival(2, **values),
                system_ref=st.sampled_from("123"),
                first_name=st.sampled_from(["", "Ann", "Bo"]),
                email=st.sampled_from(["", "a@example.org"]),
                updated_at=st.none() | MOMENTS,
            ),
            unique_by=lambda row: row.system_ref,
            max_size=3,
        )
    )
    def test_bringing_any_rows_twice_changes_nothing_the_second_time(self, rows):
        system = TicketSystemFactory()
        bring(system, *rows)
        before = list(SystemRef.objects.filter(system=system).order_by("pk").values())

        again = bring(system, *rows, now=LATER)

        assert counts(again) == ({"unchanged": len(rows)} if rows else {})
        assert list(SystemRef.objects.filter(system=system).order_by("pk").values()) == before


@pytest.mark.postgres
@pytest.mark.skipif(connection.vendor == "sqlite", reason="two connections to a memory do not wait")
@pytest.mark.django_db(transaction=True)
def test_two_callers_at_once_neither_double_nor_lose_a_row():
    system = TicketSystemFactory()
    rows = [Arrival(n, str(n), first_name="Ann") for n in range(3000)]
    failures = []

    def caller():
        try:
            bring(system, *rows)
        except Exception as error:  # shown by the assertion below
            failures.append(error)
        finally:
            connection.close()

    callers = [threading.Thread(target=caller) for _ in range(2)]
    for one in callers:
        one.start()
    for one in callers:
        one.join()

    assert failures == []
    assert SystemRef.objects.count() == FieldChange.objects.count() == 3000

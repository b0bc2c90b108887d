"""Hand edits hold against what their source goes on saying; what it says anew is a conflict (BEYOND 3)."""

import datetime as dt
import io
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from contacts.importers import IMPORTERS
from contacts.models import FieldChange, HeldValue, Job, SystemRef
from contacts.models.history import Origin
from contacts.permissions import SystemRight, grant
from contacts.services.arrivals import Arrival, admit, assess
from contacts.services.corrections import correct, settle
from contacts.services.imports import ImportOptions, admit_chunk, open_import

from ..factories import NOW, MappingFactory, SystemRefFactory, UserFactory

pytestmark = pytest.mark.django_db

LATER = NOW + dt.timedelta(days=1)


def account(**details):
    ref = MappingFactory(system_ref=SystemRefFactory(system_ref="1", **details)).system_ref
    by = UserFactory()
    for right in SystemRight:
        grant(by, right, on=ref.system)
    return ref, by


def edited(**change):
    """An account in which a person made each value of another: `city=("Leeds", "York")`."""
    ref, by = account(**{name: before for name, (before, _after) in change.items()})
    correct(ref, {name: after for name, (_before, after) in change.items()}, seen=None, by=by, now=NOW)
    return ref


def pull(ref, *, look=admit, **said):
    """A row of the ref's system; what came of it, conflicts last."""
    now = {"now": LATER} if look is admit else {}
    row = Arrival(1, ref.system_ref, **said)
    admitted = look([row], system=ref.system, way_in=Origin.PULL, **now, blanking=list(said))
    [what] = [name for name, count in admitted.counts.items() if count]
    return what, admitted.conflicts


def value(ref, field):
    return SystemRef.objects.values_list(field, flat=True).get(pk=ref.pk)


def held():
    return list(HeldValue.objects.order_by("field").values_list("field", "source_value", "differs_since"))


def test_the_unchanged_wrong_value_of_the_source_leaves_the_correction():
    ref = edited(last_name=("Marlwo", "Marlow"))

    came = [pull(ref, last_name="Marlwo") for _ in range(2)]

    assert came == [("unchanged", 0)] * 2
    assert value(ref, "last_name") == "Marlow"
    assert held() == [("last_name", "Marlwo", None)]
    assert FieldChange.objects.count() == 1


def test_a_new_value_of_the_source_opens_a_conflict_once_and_the_correction_goes_on_standing():
    ref = edited(last_name=("Marlwo", "Marlow"))

    came = [pull(ref, last_name="Marlowe") for _ in range(2)]

    assert came == [("unchanged", 1), ("unchanged", 0)]
    assert value(ref, "last_name") == "Marlow"
    assert held() == [("last_name", "Marlowe", LATER)]


def test_a_conflict_is_over_once_the_source_says_again_what_it_said_at_the_correction():
    ref = edited(last_name=("Marlwo", "Marlow"))

    came = [pull(ref, last_name=said) for said in ("Marlowe", "Marlwo", "Marlwo", "Marlowe")]

    assert came == [("unchanged", 1), ("unchanged", 0), ("unchanged", 0), ("unchanged", 1)]
    pull(ref, last_name="Marlwo")
    assert (value(ref, "last_name"), held()) == ("Marlow", [("last_name", "Marlwo", None)])


def test_a_conflict_that_was_decided_for_the_person_begins_anew_with_what_was_refused():
    ref = edited(last_name=("Marlwo", "Marlow"))
    pull(ref, last_name="Marlowe")
    settle(HeldValue.objects.get(), take_source=False, by=HeldValue.objects.get().by, now=LATER)

    came = [pull(ref, last_name=said) for said in ("Marlwo", "Marlowe")]

    assert came == [("unchanged", 1), ("unchanged", 0)]
    assert held() == [("last_name", "Marlowe", None)]


def test_a_source_that_says_what_the_person_wrote_has_agreed_and_is_followed_again():
    ref = edited(last_name=("Marlwo", "Marlow"))

    pull(ref, last_name="Marlow")
    assert held() == []

    assert pull(ref, last_name="Marlowe") == ("changed", 0)
    assert value(ref, "last_name") == "Marlowe"


def test_the_other_fields_of_a_row_are_taken():
    ref = edited(last_name=("Marlwo", "Marlow"))

    assert pull(ref, last_name="Marlwo", city="York") == ("changed", 0)
    assert (value(ref, "last_name"), value(ref, "city")) == ("Marlow", "York")


def test_a_blank_says_nothing_unless_it_may_overwrite():
    ref = edited(last_name=("Marlwo", "Marlow"))

    pull(ref, last_name="", city="York")
    assert held() == [("last_name", "Marlwo", None)]

    ref.system.blanks_overwrite = True
    assert pull(ref, last_name="") == ("unchanged", 1)
    assert value(ref, "last_name") == "Marlow"
    assert held() == [("last_name", "", LATER)]


def test_a_person_may_blank_a_value_and_it_stays_blank():
    ref = edited(phone=("0113 496 0001", ""))

    assert pull(ref, phone="0113 496 0001") == ("unchanged", 0)
    assert value(ref, "phone") == ""


def test_a_correction_taken_back_holds_against_what_the_source_was_told():
    ref = edited(last_name=("Marlwo", "Marlow"))
    correct(ref, {"last_name": "Marlwo"}, seen=None, by=HeldValue.objects.get().by, now=LATER)

    assert pull(ref, last_name="Marlow") == ("unchanged", 0)
    assert value(ref, "last_name") == "Marlwo"

    pull(ref, last_name="Marlwo")
    assert held() == []


def test_a_date_holds_as_texts_do():
    ref = edited(date_of_birth=(dt.date(1990, 1, 2), "1991-01-02"))

    assert pull(ref, date_of_birth=dt.date(1990, 1, 2)) == ("unchanged", 0)
    assert value(ref, "date_of_birth") == dt.date(1991, 1, 2)


def test_to_look_what_a_file_would_do_writes_nothing():
    ref = edited(last_name=("Marlwo", "Marlow"))

    assert pull(ref, look=assess, last_name="Marlowe") == ("unchanged", 1)
    assert held() == [("last_name", "Marlwo", None)]


def test_a_row_older_than_what_is_known_opens_no_conflict():
    ref = edited(last_name=("Marlwo", "Marlow"))
    SystemRef.objects.update(updated_at=NOW)

    assert pull(ref, last_name="Older", updated_at=NOW - dt.timedelta(days=1)) == ("unchanged", 0)
    assert held() == [("last_name", "Marlwo", None)]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_orders_of_three_years_end_with_the_newest_address_however_they_come(order):
    ref, _by = account()
    years = [(2019, "1 Old Road"), (2022, "2 Mid Road"), (2025, "3 New Road")]

    for year, address in (years[n] for n in order):
        pull(ref, address1=address, updated_at=dt.datetime(year, 6, 1, tzinfo=dt.UTC))

    assert value(ref, "address1") == "3 New Road"


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_new_street_leaves_no_flat_of_the_old_one_over(order):
    ref, _by = account()
    years = [
        (2019, {"address1": "1 Old Road", "address2": "Flat 9", "city": "Leeds"}),
        (2025, {"address1": "2 New Road", "city": "York"}),
    ]

    for year, address in (years[n] for n in order):
        pull(ref, **address, updated_at=dt.datetime(year, 6, 1, tzinfo=dt.UTC))

    assert [value(ref, name) for name in ("address1", "address2", "city")] == ["2 New Road", "", "York"]


def test_a_second_line_that_a_person_wrote_holds_when_the_street_changes():
    ref = edited(address1=("1 Old Road", "1 Old Road"), address2=("", "Flat 9"))

    pull(ref, address1="2 New Road")

    assert (value(ref, "address1"), value(ref, "address2")) == ("2 New Road", "Flat 9")


def test_a_value_that_a_booking_brought_is_reverted_and_the_same_booking_does_not_bring_it_again():
    ref, by = account(phone="0113 496 0001")
    booking = [Arrival(1, "1", phone="0113 496 0999")]
    admit(booking, system=ref.system, way_in=Origin.BOOKING, now=NOW)
    brought = FieldChange.objects.get()
    assert (brought.origin, brought.before) == (Origin.BOOKING, "0113 496 0001")

    correct(ref, {"phone": brought.before}, seen=None, by=by, now=LATER)
    admit(booking, system=ref.system, way_in=Origin.BOOKING, now=LATER)

    assert value(ref, "phone") == "0113 496 0001"
    assert not HeldValue.objects.conflicts().exists()


def bring(ref, text):
    """A file of the ref's system as the import reads it, prints and all; how many conflicts it opened."""
    importer = IMPORTERS[Job.Kind.IMPORT_SYSTEM_REFS]
    file = open_import(
        io.BytesIO(text.encode()), importer=importer, system=ref.system, options=ImportOptions(), now=NOW
    )
    chunks = [admit_chunk(chunk, importer=importer, system=ref.system, now=LATER) for chunk in file.chunks()]
    return sum(chunk.conflicts for chunk in chunks)


def test_a_file_that_comes_again_is_held_back_though_its_print_was_known():
    ref, by = account(last_name="Marlwo")
    file = "system_ref,last_name\n1,Marlwo\n"
    bring(ref, file)
    correct(ref, {"last_name": "Marlow"}, seen=None, by=by, now=NOW)

    held_back = [bring(ref, file) for _ in range(2)]
    new = [bring(ref, file.replace("Marlwo", "Marlowe")) for _ in range(2)]
    assert (held_back, new, value(ref, "last_name")) == ([0, 0], [1, 0], "Marlow")

    settle(HeldValue.objects.get(), True, by=by, now=LATER)
    bring(ref, file.replace("Marlwo", "Marlowe"))
    bring(ref, file)
    assert value(ref, "last_name") == "Marlwo"


def test_hand_edits_are_looked_up_once_for_all_rows_of_a_chunk(django_assert_max_num_queries):
    ref, by = account(last_name="Marlwo")
    others = SystemRefFactory.create_batch(3, system=ref.system)
    correct(ref, {"last_name": "Marlow"}, seen=None, by=by, now=NOW)
    rows = [Arrival(1, one.system_ref, last_name="Marlwo") for one in (ref, *others)]

    with django_assert_max_num_queries(2):  # the refs and their hand edits
        assess(rows, system=ref.system, way_in=Origin.PULL)


@dataclass
class Expected:
    """What has to stand, by the words of ADR 13."""

    stands: str = "a"
    source: str | None = None  # of a value that holds
    against: str | None = None
    differs: bool = False
    known_at: int | None = None

    def row(self, said: str, at: int | None) -> None:
        if self.known_at is not None and (at is None or at < self.known_at):
            return
        self.known_at = at if at is not None else self.known_at
        if not said:
            return
        if self.source is None:
            self.stands = said
        elif said == self.stands:
            self.source, self.differs = None, False
        elif said != self.source:
            self.differs = not (self.differs and said == self.against)
            self.source = said

    def edit(self, wrote: str) -> None:
        if wrote == self.stands:
            return
        if self.source in (None, wrote):
            self.source = self.stands
        self.stands, self.differs, self.against = wrote, False, self.source

    def settle(self, takes: bool) -> None:
        if not self.differs:
            return
        if takes:
            self.stands, self.source = self.source or "", None
        self.differs, self.against = False, self.source


_VALUES = st.sampled_from(["a", "b", "c", ""])
_DEEDS = st.one_of(
    st.tuples(st.just("row"), _VALUES, st.none() | st.integers(1, 4)),
    st.tuples(st.just("edit"), _VALUES),
    st.tuples(st.just("settle"), st.booleans()),
)


class TestAnyOrder(TestCase):
    @settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(deeds=st.lists(_DEEDS, max_size=12))
    def test_only_people_and_agreement_end_what_a_person_wrote_and_history_tells_all(self, deeds):
        ref, by = account(city="a")
        expected = Expected()
        for deed, *what in deeds:
            getattr(expected, deed)(*what)
            if deed == "row":
                said, at = what
                moment = at and dt.datetime(2020, 1, at, tzinfo=dt.UTC)
                row = Arrival(1, "1", city=said, updated_at=moment)
                admit([row], system=ref.system, way_in=Origin.PULL, now=LATER)
            elif deed == "edit":
                correct(ref, {"city": what[0]}, seen=None, by=by, now=LATER)
            else:
                for one in HeldValue.objects.all():
                    settle(one, what[0], by=by, now=LATER)
            hold = HeldValue.objects.first()
            stands = (
                value(ref, "city"),
                hold and hold.source_value,
                bool(hold and hold.differs_since),
            )
            assert stands == (expected.stands, expected.source, expected.differs)

        changes = list(FieldChange.objects.order_by("pk").values_list("before", "after"))
        texts = ["a", *(after for _before, after in changes)]
        assert [before for before, _after in changes] == texts[:-1]
        assert texts[-1] == value(ref, "city")

"""Files that come again: rows known by their prints are not read, and nothing is ever hidden by that."""

import datetime as dt
import io

import openpyxl
import pytest
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from contacts import guards
from contacts.importers import IMPORTERS
from contacts.models import FieldChange, Job, Organisation, SystemRef, SystemRefPrint
from contacts.models.person_details import DETAIL_FIELDS
from contacts.print_triggers import SAID_BY_ROWS
from contacts.services import import_chunks, row_prints
from contacts.services.arrivals import Admitted
from contacts.services.imports import ImportOptions, admit_chunk, open_import

from ..factories import NOW, TicketSystemFactory

pytestmark = [pytest.mark.django_db, pytest.mark.req("D-18")]

FILE = "system_ref,first_name,email\n1,Ann,ann@example.org\n2,Bo,\n3,Cy,cy@example.org\n"


@pytest.fixture
def system():
    return TicketSystemFactory(code="TM")


def opened(system, text, **options):
    data = text if isinstance(text, bytes) else text.encode()
    importer = IMPORTERS[Job.Kind.IMPORT_SYSTEM_REFS]
    return open_import(
        io.BytesIO(data), importer=importer, system=system, options=ImportOptions(**options), now=NOW
    )


def bring(system, text, *, believing=True, **options):
    """Bring a file in: what it came to, and how many rows had to be read."""
    file = opened(system, text, **options)
    if not believing:
        file.printer = None
    total, read = Admitted(), 0
    for chunk in file.chunks():
        read += chunk.read
        total.add(admit_chunk(chunk, importer=file.importer, system=system, now=NOW))
    return {name: count for name, count in total.counts.items() if count}, read


def names(system):
    refs = SystemRef.objects.filter(system=system)
    return dict(refs.order_by("pk").values_list("system_ref", "first_name"))


def test_of_a_file_that_comes_again_only_the_changed_row_is_read(system):
    first = bring(system, FILE)

    again = bring(system, FILE)
    changed = bring(system, FILE.replace("Bo", "Bob"))
    changed_again = bring(system, FILE.replace("Bo", "Bob"))

    assert (first, again) == (({"created": 3}, 3), ({"unchanged": 3}, 0))
    assert (changed, changed_again) == (({"changed": 1, "unchanged": 2}, 1), ({"unchanged": 3}, 0))
    assert names(system) == {"1": "Ann", "2": "Bob", "3": "Cy"}


@pytest.mark.parametrize(
    "rewritten",
    [
        FILE.replace("\n", "\r\n"),
        FILE.replace(",", ";"),
        FILE.encode("utf-16"),
        FILE.replace("Ann", '"Ann"'),
        "\n\n" + FILE.replace("2,Bo,", ",,\n\n2,Bo,"),
        FILE.replace("system_ref", "System Ref").removesuffix("\n"),
    ],
)
def test_another_notation_of_the_same_cells_is_the_same_row(system, rewritten):
    bring(system, FILE)

    assert bring(system, rewritten) == ({"unchanged": 3}, 0)


def test_a_column_that_is_left_out_may_change_in_every_row(system):
    bring(system, "system_ref,seen,first_name\n1,monday,Ann\n2,monday,Bo\n")

    assert bring(system, "system_ref,seen,first_name\n1,friday,Ann\n2,friday,Bo\n") == ({"unchanged": 2}, 0)


def test_a_spreadsheet_that_comes_again_is_known_too(system):
    book = openpyxl.Workbook()
    for row in (["system_ref", "first_name"], ["1", "Ann"], ["2", "Bo"]):
        book.active.append(row)
    stream = io.BytesIO()
    book.save(stream)
    bring(system, stream.getvalue())

    assert bring(system, stream.getvalue()) == ({"unchanged": 2}, 0)


def test_an_edit_by_another_hand_is_held_against_the_row_again_as_ever(system):
    bring(system, FILE)
    SystemRef.objects.filter(system_ref="1").update(first_name="Anna")

    again = bring(system, FILE)

    assert again == ({"changed": 1, "unchanged": 2}, 1)
    assert names(system)["1"] == "Ann"


def test_a_newer_edit_by_another_hand_is_not_undone_by_an_older_row(system):
    text = "system_ref,first_name,updated_at\n1,Ann,2026-01-01\n"
    bring(system, text)
    newer = dt.datetime(2026, 2, 1, tzinfo=dt.UTC)
    SystemRef.objects.update(first_name="Anna", updated_at=newer)

    again = [bring(system, text) for _ in range(2)]

    assert again == [({"unchanged": 1}, 1)] * 2  # it is not what stands, and so is read each time
    assert names(system) == {"1": "Anna"}


def test_a_row_taken_twice_by_turns_with_another_is_never_mistaken_for_what_stands(system):
    other = FILE.replace("Ann", "Anna")

    results = [bring(system, text)[0] for text in (FILE, other, FILE, other)]

    assert results == [{"created": 3}, *[{"changed": 1, "unchanged": 2}] * 3]
    assert names(system)["1"] == "Anna"


def test_blanks_overwrite_nothing_and_the_blank_row_is_known(system):
    bring(system, FILE)
    blank = FILE.replace("Ann", "")

    results = [bring(system, blank), bring(system, blank), bring(system, FILE)]

    assert results == [({"unchanged": 3}, 1), ({"unchanged": 3}, 0), ({"unchanged": 3}, 1)]
    assert names(system)["1"] == "Ann"


def test_the_same_cells_under_other_columns_dates_zone_system_or_code_are_other_rows(system, monkeypatch):
    text = "system_ref,first_name,created_at\n1,Ann,2026-01-05 10:00\n2,Bo,\n"
    bring(system, text)
    other = TicketSystemFactory()

    mapped = bring(system, text, column_map={"first_name": "last_name"})
    dated = bring(system, text, date_format="%d/%m/%Y")
    elsewhere = bring(other, text)
    Organisation.objects.update_or_create(pk=1, defaults={"time_zone": "America/New_York"})
    moved = bring(system, text)
    monkeypatch.setattr(row_prints, "_code_of", lambda importer: "another word")
    coded = bring(system, text)

    assert mapped == ({"changed": 2}, 2)
    assert dated == ({"unchanged": 2}, 2)
    assert elsewhere == ({"created": 2}, 2)
    assert moved == ({"changed": 1, "unchanged": 1}, 2)
    assert coded == ({"unchanged": 2}, 2)


def test_the_code_that_reads_rows_is_part_of_what_they_mean(monkeypatch):
    importer = IMPORTERS[Job.Kind.IMPORT_SYSTEM_REFS]
    before = row_prints._code_of.__wrapped__(importer)
    source = row_prints._source

    def mended(module):
        return source(module) + (b"#" if module.__name__ == "contacts.cleaning" else b"")

    monkeypatch.setattr(row_prints, "_source", mended)

    assert row_prints._code_of.__wrapped__(importer) != before


def test_rejected_rows_are_named_each_time_by_their_line(system):
    text = "system_ref,email\n1,ann@example.org\n2,bo@\n3,cy@example.org\n"
    bring(system, text)
    file = opened(system, text)

    [chunk] = file.chunks()
    admitted = admit_chunk(chunk, importer=file.importer, system=system, now=NOW)

    assert (admitted.unchanged, admitted.rejected) == (2, 1)
    assert [refusal.line for refusal in admitted.refusals] == [3]
    assert file.row_as_written(admitted.refusals[0], chunk) == {"system_ref": "2", "email": "bo@"}


@pytest.mark.parametrize("column", SAID_BY_ROWS)
def test_whoever_changes_a_value_of_a_ref_drops_its_print(system, column):
    bring(system, FILE)
    values = {
        "system_id": TicketSystemFactory().pk,
        "date_of_birth": "1980-02-03",
        "created_at": NOW,
        "updated_at": NOW,
    }

    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE contacts_systemref SET {column} = %s WHERE system_ref = '1'", [values.get(column, "XX")]
        )

    assert list(SystemRefPrint.objects.values_list("owner__first_name", flat=True).order_by("owner")) == (
        ["Bo", "Cy"]
    )


def test_every_value_that_rows_write_is_watched():
    assert set(SAID_BY_ROWS) == {"system_id", "system_ref", *DETAIL_FIELDS, "created_at", "updated_at"}


def test_sums_of_purchases_and_equal_values_leave_the_print(system):
    bring(system, FILE)

    SystemRef.objects.update(spent_total=5, holds_season_ticket=True)
    for ref in SystemRef.objects.all():
        ref.save()

    assert SystemRefPrint.objects.count() == 3


def test_a_print_goes_with_its_ref_and_holds_no_value(system):
    bring(system, FILE)

    SystemRef.objects.filter(system_ref="1").delete()

    assert SystemRefPrint.objects.count() == 2
    assert {field.name for field in SystemRefPrint._meta.fields} == {"owner", "print"}


def test_the_triggers_stand_after_all_migrations():
    assert [row_prints._are_watched(importer.prints) for importer in IMPORTERS.values()] == [True] * 3


def test_without_its_trigger_no_print_is_believed_or_made(system):
    bring(system, FILE)
    table = " ON contacts_systemref" if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:  # undone with the test's transaction
        cursor.execute(f"DROP TRIGGER contacts_ref_drops_print{table}")
    SystemRef.objects.filter(system_ref="1").update(first_name="Anna")

    again = bring(system, FILE)

    assert again == ({"changed": 1, "unchanged": 2}, 3)


class Listed:
    """A guard with a list of System Refs that may not come in any more."""

    def __init__(self):
        self.listed = set()
        self.seen = []

    def before(self, rows, *, system, way_in):
        self.seen += [row.system_ref for row in rows]
        return {
            index: guards.Verdict("Erased on request.")
            for index, row in enumerate(rows)
            if row.system_ref in self.listed
        }

    def after(self, ref_ids, *, system, way_in, now):
        pass


class PatientlyListed(Listed):
    """As above, and able to say beforehand which rows it wants to see."""

    def concerned(self, ref_ids, *, system, way_in):
        return SystemRef.objects.filter(pk__in=ref_ids, system_ref__in=self.listed).values_list(
            "pk", flat=True
        )


@pytest.mark.parametrize(("kind", "seen"), [(Listed, ["1", "2", "3"]), (PatientlyListed, ["2"])])
def test_a_guard_may_refuse_a_row_that_says_nothing_new(system, kind, seen):
    bring(system, FILE)
    guard = guards.register(kind())
    try:
        guard.listed.add("2")

        again = bring(system, FILE)
    finally:
        guards.unregister(guard)

    assert again == ({"unchanged": 2, "rejected": 1}, len(seen))
    assert guard.seen == seen


def test_a_ref_that_stands_twice_far_apart_is_folded_over_the_whole_file(system, monkeypatch):
    monkeypatch.setattr(import_chunks, "ROWS_AT_ONCE", 2)
    text = "system_ref,first_name,city\n1,Ann,Leeds\n2,Bo,\n3,Cy,\n4,Di,\n 1 ,Anna,\n"

    results = [bring(system, text) for _ in range(3)]

    assert results == [({"created": 4, "unchanged": 1}, 5), *[({"unchanged": 5}, 2)] * 2]
    ref = SystemRef.objects.get(system_ref="1")
    assert (ref.first_name, ref.city) == ("Anna", "Leeds")
    assert FieldChange.objects.count() == 4


def test_of_two_dated_rows_far_apart_the_newer_wins_wherever_it_stands(system, monkeypatch):
    monkeypatch.setattr(import_chunks, "ROWS_AT_ONCE", 1)
    text = "system_ref,first_name,updated_at\n1,New,2026-02-01\n2,Bo,\n1,Old,2026-01-01\n"

    results = [bring(system, text)[0] for _ in range(2)]

    assert results == [{"created": 2, "unchanged": 1}, {"unchanged": 3}]
    assert names(system) == {"2": "Bo", "1": "New"}


def test_a_row_known_alone_is_read_with_its_like_once_there_are_two(system):
    bring(system, FILE)

    after = bring(system, FILE.replace("\n1,Ann", "\n1,Anna,\n1,Ann"))
    before = bring(system, FILE + "1,Anna,\n")

    assert after == ({"unchanged": 4}, 2)
    assert before == ({"changed": 1, "unchanged": 3}, 2)
    assert names(system)["1"] == "Anna"


def test_more_repeated_rows_than_memory_should_hold_are_read_in_their_order(system, monkeypatch):
    monkeypatch.setattr(import_chunks, "MOST_SET_ASIDE", 1)
    text = FILE + "1,Anna,\n"

    results = [bring(system, text) for _ in range(2)]

    assert results == [({"created": 3, "unchanged": 1}, 4), ({"unchanged": 4}, 4)]
    assert names(system)["1"] == "Anna"


@pytest.mark.parametrize("skip", range(8))
def test_rows_left_out_at_the_beginning_are_the_same_whether_known_or_not(system, monkeypatch, skip):
    monkeypatch.setattr(import_chunks, "ROWS_AT_ONCE", 2)
    text = FILE + "4,Di,\n1,Anna,\n\n5,Ed,bad@\n6,Flo,\n"
    unread = sum(chunk.size for chunk in opened(system, text).chunks(skip=skip))
    for chunk in opened(system, text).chunks():
        admit_chunk(chunk, importer=IMPORTERS[Job.Kind.IMPORT_SYSTEM_REFS], system=system, now=NOW)

    known = sum(chunk.size for chunk in opened(system, text).chunks(skip=skip))

    assert (unread, known) == (7 - skip if skip < 7 else 0, 7 - skip if skip < 7 else 0)


MOMENTS = ["", "2026-01-01", "2026-01-02", "2026-01-03"]
ROWS = st.tuples(
    st.sampled_from(["1", " 1", "2", "3", "-"]),
    st.sampled_from(["", "Ann", "Anna", "Bo"]),
    st.sampled_from(["", "a@example.org", "b@", "b@example.org"]),
    st.sampled_from(MOMENTS),
)
FILES = st.lists(ROWS, max_size=6).map(
    lambda rows: "\n".join(["system_ref,first_name,email,updated_at", *map(",".join, rows)])
)
EDITS = st.tuples(
    st.sampled_from("123"), st.sampled_from(["Ann", "Zoe"]), st.sampled_from([None, *MOMENTS[1:]])
)


class Believing(TestCase):
    """Hypothesis needs a TestCase of its own to roll each example back."""

    @settings(max_examples=60, deadline=None)
    @given(st.lists(st.one_of(FILES, EDITS), min_size=2, max_size=8))
    def test_files_and_edits_in_any_order_come_to_the_same_with_and_without_prints(self, steps):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(import_chunks, "ROWS_AT_ONCE", 2)
            with_prints, without = TicketSystemFactory(), TicketSystemFactory()

            for step in [step for step in steps for _ in range(2)]:
                if isinstance(step, str):
                    assert bring(with_prints, step)[0] == bring(without, step, believing=False)[0]
                else:
                    number, name, at = step
                    moment = dt.datetime.fromisoformat(at).replace(tzinfo=dt.UTC) if at else None
                    SystemRef.objects.filter(system_ref=number).update(first_name=name, updated_at=moment)

            assert self.state(with_prints) == self.state(without)

    def state(self, system):
        refs = SystemRef.objects.filter(system=system).order_by("system_ref")
        history = FieldChange.objects.filter(system_ref__system=system).order_by("pk")
        return (
            list(refs.values_list("system_ref", "first_name", "email", "updated_at")),
            list(history.values_list("system_ref__system_ref", "field", "before", "after")),
        )

"""Files of purchases that come again: lines known by their prints are not read, and nothing is hidden."""

import io

import pytest
from django.db import connection

from contacts import guards
from contacts.importers import IMPORTERS
from contacts.models import Job, SystemRef
from contacts.services import import_chunks
from contacts.services.arrivals import Admitted
from contacts.services.imports import ImportOptions, admit_chunk, open_import
from ticketing.models import Purchase, PurchasePrint
from ticketing.print_triggers import SAID_BY_ROWS

from ..factories import NOW, SystemRefFactory, TicketSystemFactory

pytestmark = pytest.mark.django_db

FILE = (
    "system_ref,purchase_id,purchased_at,amount,event\n"
    "1,P1,2026-01-05,12.50,Derby\n"
    "1,P2,2026-01-06,20.00,Derby\n"
    "2,P3,2026-01-07,30.00,\n"
)


@pytest.fixture
def system():
    system = TicketSystemFactory(code="TM")
    for number in ("1", "2"):
        SystemRefFactory(system=system, system_ref=number)
    return system


def bring(system, text):
    """What bringing the file in came to, and how many rows had to be read."""
    file = open_import(
        io.BytesIO(text.encode()),
        importer=IMPORTERS[Job.Kind.IMPORT_PURCHASES],
        system=system,
        options=ImportOptions(),
        now=NOW,
    )
    total, read = Admitted(), 0
    for chunk in file.chunks():
        read += chunk.read
        total.add(admit_chunk(chunk, importer=file.importer, system=system, now=NOW))
    return {name: count for name, count in total.counts.items() if count}, read


def test_of_a_file_that_comes_again_only_the_changed_line_is_read(system):
    results = [bring(system, text) for text in (FILE, FILE, FILE.replace("20.00", "25.00"))]

    assert results == [
        ({"created": 3}, 3),
        ({"unchanged": 3}, 0),
        ({"changed": 1, "unchanged": 2}, 1),
    ]
    assert str(SystemRef.objects.get(system_ref="1").spent_total) == "37.50"


@pytest.mark.parametrize("column", SAID_BY_ROWS)
def test_whoever_changes_a_value_of_a_purchase_drops_its_print(system, column):
    bring(system, FILE)
    values = {
        "system_id": TicketSystemFactory().pk,
        "system_ref_id": SystemRefFactory().pk,
        "event_on": "2026-01-01",
        "purchased_at": NOW,
        "kind": "season",
        "seats": 3,
        "amount": 7,
        "currency": "EUR",
        "status": "reserved",
    }

    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE ticketing_purchase SET {column} = %s WHERE purchase_id = 'P1'",
            [values.get(column, "XX")],
        )

    assert PurchasePrint.objects.count() == 2


def test_every_column_of_a_purchase_is_watched():
    columns = {field.column for field in Purchase._meta.concrete_fields}

    assert columns - {"id"} == set(SAID_BY_ROWS)


def test_lines_of_a_ref_with_another_number_are_read_and_refused_again(system):
    bring(system, FILE)
    SystemRef.objects.filter(system_ref="1").update(system_ref="9")

    assert bring(system, FILE) == ({"unchanged": 1, "rejected": 2}, 2)


def test_a_purchase_that_was_edited_is_what_its_line_says_after_it_comes_again(system):
    bring(system, FILE)
    Purchase.objects.filter(purchase_id="P1").update(amount=99)

    assert bring(system, FILE) == ({"changed": 1, "unchanged": 2}, 1)
    assert str(Purchase.objects.get(purchase_id="P1").amount) == "12.50"


def test_prints_go_with_the_person(system):
    bring(system, FILE)

    SystemRef.objects.filter(system_ref="1").delete()

    assert PurchasePrint.objects.count() == 1


def test_a_purchase_that_stands_twice_far_apart_is_folded_over_the_whole_file(system, monkeypatch):
    monkeypatch.setattr(import_chunks, "ROWS_AT_ONCE", 1)
    text = FILE + "1,P1,2026-01-05,15.00,\n"

    results = [bring(system, text) for _ in range(2)]

    assert results == [({"created": 3, "unchanged": 1}, 4), ({"unchanged": 4}, 2)]
    assert Purchase.objects.values_list("amount", "event").get(purchase_id="P1") == (15, "Derby")


class Barred:
    """Refuses System Ref 1, and says beforehand that it will."""

    def before(self, rows, *, system, way_in):
        return {index: guards.Verdict("Barred.") for index, row in enumerate(rows) if row.system_ref == "1"}

    def after(self, ref_ids, *, system, way_in, now):
        pass

    def concerned(self, ref_ids, *, system, way_in):
        return SystemRef.objects.filter(pk__in=ref_ids, system_ref="1").values_list("pk", flat=True)


def test_a_guard_may_refuse_a_line_that_says_nothing_new(system):
    bring(system, FILE)
    guard = guards.register(Barred())
    try:
        again = bring(system, FILE)
    finally:
        guards.unregister(guard)

    assert again == ({"unchanged": 1, "rejected": 2}, 2)

"""A blank never overwrites, unless the system is configured so: then where the file has the column."""

import datetime as dt
import io

import pytest
from django.urls import reverse

from contacts.importers import IMPORTERS
from contacts.models import FieldChange, Job, SystemRef, TicketSystem
from contacts.models.history import Origin
from contacts.services.arrivals import Admitted, Arrival, admit, assess
from contacts.services.imports import ImportOptions, admit_chunk, open_import

from ..factories import NOW, MappingFactory, SystemRefFactory, TicketSystemFactory, UserFactory

pytestmark = pytest.mark.django_db

LATER = NOW + dt.timedelta(days=1)
FULL = "system_ref,first_name,email,date_of_birth\n1,Ann,ann@example.org,1980-02-28\n2,Bo,bo@example.org,\n"
BLANK = "system_ref,first_name,email,date_of_birth\n1,Ann,,n/a\n2,Bo,bo@example.org,\n"


@pytest.fixture(params=[True, False], ids=["overwrites", "says nothing"])
def system(request):
    return TicketSystemFactory(code="TM", blanks_overwrite=request.param)


@pytest.fixture
def strict():
    return TicketSystemFactory(code="TM", blanks_overwrite=True)


def bring(system, text):
    file = open_import(
        io.BytesIO(text.encode()),
        importer=IMPORTERS[Job.Kind.IMPORT_SYSTEM_REFS],
        system=system,
        options=ImportOptions(),
        now=NOW,
    )
    total, read = Admitted(), 0
    for chunk in file.chunks():
        read += chunk.read
        total.add(admit_chunk(chunk, importer=file.importer, system=system, now=NOW))
    return {name: count for name, count in total.counts.items() if count}, read


def values(number):
    ref = SystemRef.objects.get(system_ref=number)
    return ref.first_name, ref.email, ref.date_of_birth


def test_a_file_blanks_what_it_leaves_blank_and_history_tells_it(system):
    bring(system, FULL)

    counts, _read = bring(system, BLANK)

    if not system.blanks_overwrite:
        assert (counts, values("1")) == ({"unchanged": 2}, ("Ann", "ann@example.org", dt.date(1980, 2, 28)))
        return
    assert (counts, values("1")) == ({"changed": 1, "unchanged": 1}, ("Ann", "", None))
    told = FieldChange.objects.exclude(field="").order_by("field")
    assert list(told.values_list("field", "before", "after", "origin")) == [
        ("date_of_birth", "1980-02-28", "", "import"),
        ("email", "ann@example.org", "", "import"),
    ]


def test_a_column_that_the_file_does_not_have_blanks_nothing(strict):
    bring(strict, FULL)

    bring(strict, "system_ref,email\n1,\n")

    assert values("1") == ("Ann", "", dt.date(1980, 2, 28))


def test_an_older_row_blanks_nothing_and_a_blank_moment_of_change_is_none(strict):
    header = "system_ref,first_name,updated_at\n"
    bring(strict, f"{header}1,Ann,2026-03-02 10:00\n")

    older, _ = bring(strict, f"{header}1,,2026-03-01 10:00\n")
    unknown, _ = bring(strict, f"{header}1,,\n")
    newer, _ = bring(strict, f"{header}1,,2026-03-03 10:00\n")

    assert (older, unknown, newer) == ({"unchanged": 1}, {"unchanged": 1}, {"changed": 1})
    assert SystemRef.objects.get().updated_at is not None


@pytest.mark.req("D-18")
def test_a_known_row_is_read_anew_once_the_setting_has_changed(strict):
    TicketSystem.objects.update(blanks_overwrite=False)
    strict.refresh_from_db()
    bring(strict, FULL)
    bring(strict, BLANK)
    known = bring(strict, BLANK)
    TicketSystem.objects.update(blanks_overwrite=True)
    strict.refresh_from_db()

    changed, again = bring(strict, BLANK), bring(strict, BLANK)

    assert known == ({"unchanged": 2}, 0)
    assert changed == ({"changed": 1, "unchanged": 1}, 2)
    assert again == ({"unchanged": 2}, 0)
    assert values("1") == ("Ann", "", None)


def test_of_two_rows_of_one_ref_the_later_ones_blank_counts(strict):
    ref = SystemRefFactory(system=strict, system_ref="1", email="old@example.org")
    rows = [Arrival(2, "1", email="new@example.org"), Arrival(3, "1", first_name="Ann")]

    would = assess(rows, system=strict, way_in=Origin.PULL, blanking=("email",))
    admit(rows, system=strict, way_in=Origin.PULL, now=NOW, blanking=("email",))

    assert would.counts["changed"] == 1
    ref.refresh_from_db()
    assert (ref.first_name, ref.email) == ("Ann", "")


def test_what_is_blanked_leaves_the_golden_record_too(strict):
    ref = SystemRefFactory(system=strict, system_ref="1", email="ann@example.org")
    contact = MappingFactory(system_ref=ref).contact
    admit([Arrival(2, "1", first_name="Ann")], system=strict, way_in=Origin.PULL, now=NOW)

    admit([Arrival(2, "1")], system=strict, way_in=Origin.PULL, now=LATER, blanking=("email", "first_name"))

    contact.refresh_from_db()
    assert (contact.first_name, contact.email) == ("", "")


def test_a_manager_turns_the_setting_on_at_the_system(client):
    system = TicketSystemFactory(code="TM")
    client.force_login(UserFactory(is_superuser=True))
    address = reverse("admin:contacts_ticketsystem_change", args=[system.pk])
    form = client.get(address).context["adminform"].form
    given = {name: value for name, value in form.initial.items() if value not in (None, False)}

    client.post(address, {**given, "blanks_overwrite": "on"})

    system.refresh_from_db()
    assert system.blanks_overwrite

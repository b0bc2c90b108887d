"""Exports: the rows that the user sees, no value of another unit, no formula, and back in again."""

import csv
import io
import logging

import openpyxl
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from contacts import admin_files
from contacts.cleaning import Reading
from contacts.importers import IMPORTERS
from contacts.models import Contact, Job, SystemRef
from contacts.permissions import SystemRight, grant
from contacts.resources import SystemRefResource
from contacts.services.golden import refresh_golden
from contacts.services.imports import ImportOptions, admit_chunk, open_import
from kore_site.roles import CRM_MANAGERS, SALES_REPS
from ticketing.models import Purchase
from ticketing.resources import PurchaseResource

from ..factories import (
    NOW,
    MappingFactory,
    PurchaseFactory,
    SystemRefFactory,
    TicketSystemFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db

CSV, XLSX = 0, 1
LISTS = ("contacts_systemref", "contacts_contact", "ticketing_purchase")
MARKER = "zqx"


@pytest.fixture
def ours():
    return TicketSystemFactory(code="OURS", rank=2)


@pytest.fixture
def theirs():
    return TicketSystemFactory(code=f"{MARKER}SYS", is_isolated=True, rank=1)


@pytest.fixture
def shared(ours, theirs) -> Contact:
    """A person of both units; the primary, whose values are stored, is theirs."""
    values = {name: f"{MARKER}{name}" for name in ("first_name", "last_name", "email", "city", "company")}
    primary = SystemRefFactory(system=theirs, system_ref=f"{MARKER}-1", **values)
    contact = MappingFactory(system_ref=primary).contact
    ref = SystemRefFactory(system=ours, system_ref="77", first_name="Ann", last_name="Marlow")
    MappingFactory(system_ref=ref, contact=contact, is_primary=False)
    for bought in (primary, ref):
        PurchaseFactory(system_ref=bought, event=f"{bought.first_name} final")
    refresh_golden([contact.pk], now=NOW)
    return contact


@pytest.fixture
def rep(ours):
    user = UserFactory(role=SALES_REPS)
    grant(user, SystemRight.VIEW, on=ours)
    return user


def export(client, page, format=CSV, **filters):
    address = reverse(f"admin:{page}_export", query=filters)
    return client.post(address, {"format": format, "resource": 0})


def content_of(response) -> bytes:
    return b"".join(response.streaming_content)


def rows_of(response) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content_of(response).decode("utf-8-sig"))))


def cells_of(response) -> list[list]:
    book = openpyxl.load_workbook(io.BytesIO(content_of(response)))
    return [[cell.value for cell in row] for row in book.active.iter_rows()]


def brought_in(content: bytes, system, kind=Job.Kind.IMPORT_SYSTEM_REFS):
    file = open_import(
        io.BytesIO(content), importer=IMPORTERS[kind], system=system, options=ImportOptions(), now=NOW
    )
    results = [admit_chunk(c, importer=IMPORTERS[kind], system=system, now=NOW) for c in file.chunks()]
    assert file.layout.ignored == []
    return results[0]


@pytest.mark.parametrize(
    ("resource", "values"),
    [
        (SystemRefResource, {"country": "Great Britain", "date_of_birth": "1980-02-28", "email": "n/a"}),
        (PurchaseResource, {"kind": "Season", "amount": "12.5", "currency": "gbp", "seats": "2.0"}),
    ],
)
def test_a_resources_field_reads_a_cell_as_the_import_does(resource, values):
    reading = Reading(zone=timezone.get_current_timezone(), today=NOW.date())
    columns = {column.name: column for column in resource.columns()}

    for name, text in values.items():
        cleaned = resource.fields[name].clean({name: text}, reading=reading)
        assert cleaned == columns[name].value_of(text, reading), name
        assert cleaned != text, name


def test_importers_take_their_columns_from_the_resources():
    assert IMPORTERS[Job.Kind.IMPORT_SYSTEM_REFS].columns == SystemRefResource.columns()
    assert IMPORTERS[Job.Kind.IMPORT_PURCHASES].columns == PurchaseResource.columns()
    for resource in (SystemRefResource, PurchaseResource):
        names = [column.name for column in resource.columns()]
        assert resource().get_export_headers() == ["group_id", "system", *names]


def test_the_librarys_own_saving_is_closed(ours):
    with pytest.raises(TypeError, match="importer's service"):
        SystemRefResource().do_instance_save(SystemRef(system=ours, system_ref="1"), is_create=True)


@pytest.mark.req("R-DOO-18", "R-DOO-20")
def test_each_export_carries_the_group_id_first(shared, client):
    client.force_login(UserFactory(is_superuser=True))

    exported = {page: rows_of(export(client, page)) for page in LISTS}

    assert {page: len(rows) for page, rows in exported.items()} == dict(zip(LISTS, (2, 1, 2), strict=True))
    for rows in exported.values():
        assert next(iter(rows[0])) == "group_id"
        assert {row["group_id"] for row in rows} == {str(shared.pk)}


@pytest.mark.req("R-MDB-16", "R-MDB-33")
@pytest.mark.parametrize("format", [CSV, XLSX])
def test_someone_of_one_unit_gets_nothing_of_the_other_in_any_export(format, shared, rep, client):
    client.force_login(rep)

    for page in LISTS:
        response = export(client, page, format)
        lines = cells_of(response) if format == XLSX else [list(row.values()) for row in rows_of(response)]
        told = str(lines).lower()
        assert MARKER not in told, page
        assert "ann" in told, page


@pytest.mark.req("R-MDB-33")
def test_a_contact_is_exported_with_the_values_that_this_user_sees(shared, rep, client):
    client.force_login(rep)
    [as_rep] = rows_of(export(client, "contacts_contact"))
    client.force_login(UserFactory(is_superuser=True))
    [as_admin] = rows_of(export(client, "contacts_contact"))

    assert (as_rep["first_name"], as_rep["email"], as_rep["system_refs"]) == ("Ann", "", "OURS 77")
    assert as_admin["first_name"] == f"{MARKER}first_name"
    assert as_admin["systems"] == f"{MARKER}SYS; OURS"


def test_an_export_holds_the_rows_of_the_filtered_list(ours, client):
    for number in range(3):
        SystemRefFactory(system=ours, system_ref=f"A{number}", city="Leeds" if number else "York")
    SystemRefFactory(system_ref="A9", city="Leeds")
    client.force_login(UserFactory(is_superuser=True))

    rows = rows_of(export(client, "contacts_systemref", q="leeds", system="OURS"))

    assert [row["system_ref"] for row in rows] == ["A2", "A1"]


@pytest.mark.req("R-MDB-16")
def test_naming_hidden_rows_or_filters_brings_nothing_more(shared, rep, theirs, client):
    client.force_login(rep)
    hidden = SystemRef.objects.get(system=theirs)
    address = reverse("admin:contacts_systemref_export")

    chosen, absent = (
        client.post(address, {"format": CSV, "resource": 0, "export_items": [pk]})
        for pk in (hidden.pk, 10**9)
    )
    by_system = rows_of(export(client, "contacts_systemref", system=theirs.code))

    assert [chosen.status_code, absent.status_code] == [200, 200]
    assert [response.streaming for response in (chosen, absent)] == [False, False]
    assert MARKER not in chosen.content.decode()
    assert by_system == []


def test_looking_at_the_export_page_exports_nothing_and_shows_how_many_rows_it_would(shared, rep, client):
    client.force_login(rep)

    for page in LISTS:
        response = client.get(reverse(f"admin:{page}_export"))
        assert response.status_code == 200
        assert response["Content-Type"].startswith("text/html")
        assert response.context["row_count"] == "1"
        assert MARKER not in response.content.decode().lower()


@pytest.mark.parametrize("page", LISTS)
def test_without_the_permission_to_view_there_is_no_export(page, shared, client):
    client.force_login(UserFactory())

    assert client.get(reverse(f"admin:{page}_export")).status_code == 403
    assert export(client, page).status_code == 403


def test_without_any_system_an_export_is_a_header(shared, client):
    client.force_login(UserFactory(role=SALES_REPS))

    assert [rows_of(export(client, page)) for page in LISTS] == [[], [], []]


def test_an_address_that_filters_by_nonsense_leads_to_the_list(rep, client):
    client.force_login(rep)

    response = client.get(reverse("admin:ticketing_purchase_export"), {"kind__year": "x"})

    assert response.url == reverse("admin:ticketing_purchase_changelist")


def test_the_log_tells_who_exported_how_much_and_no_value(shared, rep, client, caplog):
    client.force_login(rep)

    with caplog.at_level(logging.INFO):
        rows_of(export(client, "contacts_contact", q="marlow"))

    assert f"User {rep.pk} exported 1 rows of contacts.Contact as CSV" in caplog.text
    assert "marlow" not in caplog.text.lower()


@pytest.mark.parametrize("page", LISTS)
def test_an_export_costs_the_same_whatever_its_length(page, ours, rep, client):
    client.force_login(rep)

    def cost() -> int:
        ref = MappingFactory(system_ref=SystemRefFactory(system=ours)).system_ref
        PurchaseFactory(system_ref=ref)
        with CaptureQueriesContext(connection) as queries:
            rows_of(export(client, page))
        return len(queries)

    one, _two, three = cost(), cost(), cost()

    assert one == three


def test_more_rows_than_a_spreadsheet_is_written_for_are_refused_with_advice(ours, client, monkeypatch):
    monkeypatch.setattr(admin_files, "MOST_XLSX_LINES", 1)
    SystemRefFactory.create_batch(2, system=ours)
    client.force_login(UserFactory(is_superuser=True))

    response = export(client, "contacts_systemref", XLSX)

    assert "take CSV, or filter the list" in response.content.decode()
    assert len(rows_of(export(client, "contacts_systemref", CSV))) == 2


@pytest.mark.parametrize("format", [CSV, XLSX])
@pytest.mark.parametrize(
    "text", ["=1+1", "+44 20 7946 0000", "-cmd", "@SUM(A1)", "\ttab", "\rreturn", "=a|b"]
)
def test_no_exported_cell_is_a_formula(text, format, ours, client):
    SystemRefFactory(system=ours, company=text)
    client.force_login(UserFactory(is_superuser=True))

    response = export(client, "contacts_systemref", format)

    if format == XLSX:
        header, line = cells_of(response)
        [shown] = [cell for name, cell in zip(header, line, strict=True) if name == "company"]
        text = text.replace("\r", "\n")  # as XML reads it
    else:
        [row] = rows_of(response)
        shown = row["company"]
    assert shown == "'" + text.replace("|", "\\|")


@pytest.mark.parametrize("format", [CSV, XLSX])
def test_an_export_of_refs_goes_back_in_and_changes_only_what_was_edited(format, ours, client):
    ref = SystemRefFactory(
        system=ours, phone="+44 20 7946 0000", company="=1+1|2", country="GB", date_of_birth="1980-02-28",
        created_at=NOW, updated_at=NOW,
    )  # fmt: skip
    before = SystemRef.objects.values().get(pk=ref.pk)
    client.force_login(UserFactory(is_superuser=True))

    content = content_of(export(client, "contacts_systemref", format))
    again = brought_in(content, ours)

    assert again.counts["unchanged"] == 1, again.refusals
    assert SystemRef.objects.values().get(pk=ref.pk) == before
    if format == CSV:
        assert brought_in(content.replace(b"=1+1", b"=2+2"), ours).counts["changed"] == 1
        assert SystemRef.objects.get().company == "=2+2|2"


@pytest.mark.parametrize("format", [CSV, XLSX])
def test_an_export_of_purchases_goes_back_in_unchanged(format, ours, client):
    PurchaseFactory(system_ref__system=ours, event="=Final", amount="-12.50", event_on="2026-05-01")
    client.force_login(UserFactory(is_superuser=True))

    content = content_of(export(client, "ticketing_purchase", format))

    result = brought_in(content, ours, Job.Kind.IMPORT_PURCHASES)
    assert result.counts["unchanged"] == 1, result.refusals
    assert Purchase.objects.count() == 1


def test_rows_of_another_system_in_an_export_are_not_taken_for_this_one(ours, client):
    SystemRefFactory(system=ours, system_ref="1")
    SystemRefFactory(system=TicketSystemFactory(code="ELSE"), system_ref="2")
    client.force_login(UserFactory(is_superuser=True))

    result = brought_in(content_of(export(client, "contacts_systemref")), ours)

    assert (result.counts["unchanged"], result.counts["rejected"]) == (1, 1)
    [refusal] = result.refusals
    assert (refusal.column, refusal.value) == ("system", "ELSE")
    assert SystemRef.objects.count() == 2


def buttons(client, page) -> tuple[str, bool]:
    response = client.get(reverse(f"admin:{page}_changelist"))
    export_address = reverse(f"admin:{page}_export")
    return response.context["import_address"], f'href="{export_address}' in response.content.decode()


@pytest.mark.parametrize(
    ("role", "right", "is_offered"),
    [
        (CRM_MANAGERS, SystemRight.CHANGE, True),
        (CRM_MANAGERS, SystemRight.VIEW, False),
        (SALES_REPS, SystemRight.CHANGE, False),
    ],
)
def test_the_import_button_stands_for_those_who_may_and_export_for_whoever_sees(
    role, right, is_offered, ours, client
):
    user = UserFactory(role=role)
    for granted in {SystemRight.VIEW, right}:
        grant(user, granted, on=ours)
    client.force_login(user)
    upload = reverse("admin:contacts_job_import")

    found = {page: buttons(client, page) for page in LISTS}

    assert found == {
        "contacts_systemref": (f"{upload}?kind=import_system_refs" if is_offered else "", True),
        "ticketing_purchase": (f"{upload}?kind=import_purchases" if is_offered else "", True),
        "contacts_contact": ("", True),
    }


def test_the_import_button_leads_to_the_upload_with_its_kind_chosen(ours, client):
    user = UserFactory(role=CRM_MANAGERS)
    for right in SystemRight:
        grant(user, right, on=ours)
    client.force_login(user)

    chosen = [
        client.get(reverse("admin:contacts_job_import"), {"kind": kind}).context["form"]
        for kind in ("import_system_refs", "import_purchases", "nonsense")
    ]

    assert [form["resource"].value() for form in chosen] == [0, 1, 0]
    kinds = [(0, "System Refs"), (1, "Purchases"), (2, "Related names")]
    assert chosen[0].fields["resource"].choices == kinds
    assert [label for _pk, label in chosen[0].fields["system"].choices] == [str(ours)]


@pytest.mark.req("R-MDB-17")
def test_a_forged_upload_is_refused_and_the_librarys_synchronous_import_is_gone(ours, rep, client):
    client.force_login(rep)
    data = {"resource": 0, "system": ours.pk, "import_file": io.BytesIO(b"system_ref\n1\n")}

    assert client.post(reverse("admin:contacts_job_import"), data).status_code == 403
    for page in ("contacts_job", "contacts_systemref", "ticketing_purchase"):
        list_address = reverse(f"admin:{page}_changelist")
        assert client.post(f"{list_address}process_import/", follow=True).status_code in (403, 404)
    assert not Job.objects.exists()

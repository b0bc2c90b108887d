"""Rejected rows are corrected on the import's page and sent again; nothing of them is lost on the way."""

import csv
import io

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from contacts import tasks
from contacts.importers import IMPORTERS
from contacts.models import Job, RejectedRow, SystemRef
from contacts.permissions import SystemRight, grant
from contacts.services import jobs
from contacts.services.imports import CannotImport, ImportOptions
from contacts.services.mending import NothingMended, keep_mended, send_mended

from ..factories import NOW, TicketSystemFactory, UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.req("D-21")]

FILE = (
    "Fan No,first_name,email,born,shoes\n"
    "1,Ann,ann@example.org,,3\n"
    "2,Bo,bo@,,4\n"
    "3,Cy,cy@example.org,30/02/1980,5\n"
)
OPTIONS = ImportOptions({"Fan No": "system_ref", "born": "date_of_birth"}, "%d/%m/%Y")


def clock():
    return NOW


@pytest.fixture(autouse=True)
def files_of_this_test(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def system():
    return TicketSystemFactory(code="TM")


def manager(system, *rights):
    user = UserFactory(role="CRM manager")
    for right in rights or (SystemRight.VIEW, SystemRight.CHANGE):
        grant(user, right, on=system)
    return user


@pytest.fixture
def by(system):
    return manager(system)


def brought(system, by, text=FILE, options=OPTIONS):
    """An import that is done, with its rejected rows."""
    upload = SimpleUploadedFile("fans.csv", text.encode())
    importer = IMPORTERS[Job.Kind.IMPORT_SYSTEM_REFS]
    job = jobs.file_import(upload, importer=importer, system=system, options=options, by=by, now=NOW)
    return written(job, by)


def written(job, by):
    jobs.check_import(job.pk, clock=clock)
    job.refresh_from_db()
    jobs.confirm_import(job, by=by, now=NOW)
    jobs.write_import(job.pk, clock=clock)
    job.refresh_from_db()
    return job


@pytest.fixture
def job(system, by):
    return brought(system, by)


def rejected(job):
    return {row.row["Fan No"]: row for row in job.rejected_rows.all()}


def lines_of(job):
    with job.file.open("rb") as file:
        return list(csv.reader(io.StringIO(file.read().decode("utf-8-sig"))))


def page(client, job, **asked):
    return client.get(reverse("admin:contacts_job_change", args=[job.pk]), asked)


def mend(client, job, data):
    return client.post(reverse("admin:contacts_job_mend", args=[job.pk]), data)


def test_corrected_rows_go_in_as_an_import_of_their_own_and_the_old_ones_lead_there(job, by):
    rows = rejected(job)
    keep_mended(job, {rows["2"].pk: {"email": "bo@example.org"}}, by=by)

    sent = send_mended(job, by=by, now=NOW)

    assert sent.state == Job.State.WAITING
    assert (sent.kind, sent.system, sent.by) == (job.kind, job.system, by)
    assert sent.options["map"] == OPTIONS.column_map
    assert sent.options["date_format"] == OPTIONS.date_format
    assert lines_of(sent) == [
        ["Fan No", "first_name", "email", "born", "shoes"],
        ["2", "Bo", "bo@example.org", "", "4"],
    ]
    assert rejected(job)["2"].sent_in == sent
    assert rejected(job)["3"].sent_in is None  # left as it was, it stays
    written(sent, by)
    assert SystemRef.objects.get(system_ref="2").email == "bo@example.org"
    assert RejectedRow.objects.filter(job=job).count() == 2


def test_a_row_is_sent_once_unless_its_import_came_to_nothing(job, by):
    keep_mended(job, {rejected(job)["2"].pk: {"email": "bo@example.org"}}, by=by)
    first = send_mended(job, by=by, now=NOW)

    changed = keep_mended(job, {rejected(job)["2"].pk: {"email": "other@example.org"}}, by=by)
    with pytest.raises(NothingMended):
        send_mended(job, by=by, now=NOW)
    jobs.cancel_import(first, by=by, now=NOW)
    again = send_mended(job, by=by, now=NOW)

    assert changed == 0
    assert lines_of(again)[1][2] == "bo@example.org"
    assert rejected(job)["2"].sent_in == again


def test_a_cell_that_is_as_it_was_is_no_correction(job, by):
    row = rejected(job)["2"]

    kept = [
        keep_mended(job, {row.pk: {"email": "bo@", "first_name": "Bo"}}, by=by),
        keep_mended(job, {row.pk: {"email": "bo@x.org"}}, by=by),
        keep_mended(job, {row.pk: {"email": "bo@"}}, by=by),
    ]

    assert kept == [0, 1, 1]
    assert not job.rejected_rows.mended().exists()


def test_nothing_but_cells_of_the_jobs_own_rows_is_kept(job, by, system):
    other = brought(system, by, FILE.replace("2,Bo", "9,Bo"))
    theirs = rejected(other)["9"]

    keep_mended(job, {theirs.pk: {"email": "x@example.org"}, 10**9: {"email": "x"}}, by=by)
    keep_mended(job, {rejected(job)["2"].pk: {"no such column": "x"}}, by=by)

    assert not RejectedRow.objects.exclude(mended={}).exists()


def test_correcting_takes_the_right_to_change_the_system_and_a_job_that_is_done(job, by, system):
    reader = manager(system, SystemRight.VIEW)
    cells = {rejected(job)["2"].pk: {"email": "bo@example.org"}}

    with pytest.raises(CannotImport):
        keep_mended(job, cells, by=reader)
    with pytest.raises(CannotImport):
        send_mended(job, by=reader, now=NOW)
    Job.objects.filter(pk=job.pk).update(state=Job.State.CHECKED)
    job.refresh_from_db()
    with pytest.raises(jobs.JobIsElsewhere):
        keep_mended(job, cells, by=by)


def test_cells_of_a_file_of_ours_are_read_back_as_they_were_written(system, by):
    text = "group_id,system,system_ref,first_name,email\n7,TM,1,'=Ann,ann@\n"
    job = brought(system, by, text, ImportOptions())
    [row] = job.rejected_rows.all()

    keep_mended(job, {row.pk: {"email": "ann@example.org"}}, by=by)
    sent = written(send_mended(job, by=by, now=NOW), by)

    assert sent.counts["created"] == 1
    assert SystemRef.objects.get().first_name == "=Ann"


def test_a_row_of_the_wrong_length_can_be_put_right_as_well(system, by):
    job = brought(system, by, "system_ref,first_name,email\n1,Ann\n", ImportOptions())
    [row] = job.rejected_rows.all()

    keep_mended(job, {row.pk: {"email": "ann@example.org"}}, by=by)
    written(send_mended(job, by=by, now=NOW), by)

    assert SystemRef.objects.get().email == "ann@example.org"


def test_the_page_shows_the_wrong_cell_its_reason_and_the_others(client, job, by):
    client.force_login(by)

    response = page(client, job)

    bo, cy = response.context["mend"].rows
    assert (bo.row.line, bo.wrong.label, bo.wrong.value) == (3, "email", "bo@")
    assert [cell and cell.value for cell in bo.cells] == ["2", "Bo", None, ""]
    assert (cy.wrong.label, cy.wrong.value) == ("born", "30/02/1980")
    assert response.context["mend"].columns == ["Fan No", "first_name", "email", "born"]
    text = response.content.decode()
    assert text.count(" autofocus") == 1
    assert "It is not an e-mail address" in text


def test_corrections_of_a_page_are_kept_when_it_is_turned_and_all_pages_are_sent_together(client, system, by):
    rows = "".join(f"{number},Ann,ann@\n" for number in range(70))
    job = brought(system, by, f"system_ref,first_name,email\n{rows}", ImportOptions())
    client.force_login(by)
    first = page(client, job).context["mend"].rows[0]

    turned = mend(client, job, {first.wrong.field: "ann0@example.org", "keep": "2"})
    second = client.get(turned.url).context["mend"]
    told = (second.ready, second.kept, len(second.rows))
    sent = mend(client, job, {second.rows[0].wrong.field: "ann50@example.org", "send": "1"})

    made = Job.objects.latest("pk")
    assert turned.url.endswith("?p=2")
    assert told == (1, 1, 20)
    assert sent.url == reverse("admin:contacts_job_change", args=[made.pk])
    assert [line[2] for line in lines_of(made)] == ["email", "ann0@example.org", "ann50@example.org"]
    again = page(client, job)
    assert [row.is_sent for row in again.context["mend"].rows[:2]] == [True, False]
    assert f"import {made.pk}</a>" in again.content.decode()
    tasks.check_import(job_id=made.pk)
    assert f"corrections to import {job.pk}" in page(client, made).content.decode()


def test_sending_nothing_says_so(client, job, by):
    client.force_login(by)

    response = client.post(reverse("admin:contacts_job_mend", args=[job.pk]), {"send": "1"}, follow=True)

    assert "No row was corrected" in response.content.decode()
    assert Job.objects.count() == 1


@pytest.mark.req("R-MDB-17")
def test_who_may_only_see_the_system_sees_the_rows_and_no_fields(client, job, system):
    client.force_login(manager(system, SystemRight.VIEW))

    response = page(client, job)
    refused = mend(client, job, {f"cell-{rejected(job)['2'].pk}-2": "bo@example.org", "keep": "1"})

    assert response.context["mend"] is None
    assert "bo@" in response.content.decode()
    assert "data-mending" not in response.content.decode()
    assert refused.status_code == 403
    assert not job.rejected_rows.mended().exists()


@pytest.mark.req("R-MDB-16")
def test_an_invisible_import_is_absent(client, job):
    client.force_login(manager(TicketSystemFactory()))

    assert mend(client, job, {"send": "1"}).status_code == 404


def test_the_role_to_bring_files_in_is_asked_for_too(client, job, system):
    rep = UserFactory(role="Sales rep")
    for right in SystemRight:
        grant(rep, right, on=system)
    client.force_login(rep)

    assert mend(client, job, {"send": "1"}).status_code == 403


def test_a_get_corrects_nothing(client, job, by):
    client.force_login(by)

    assert client.get(reverse("admin:contacts_job_mend", args=[job.pk])).status_code == 403


def test_a_form_from_elsewhere_is_refused(job, by):
    client = Client(enforce_csrf_checks=True)
    client.force_login(by)

    assert mend(client, job, {"send": "1"}).status_code == 403


def test_what_a_cell_holds_is_never_taken_for_markup(client, system, by):
    evil = '"><script>alert(1)</script>'
    quoted = '"' + evil.replace('"', '""') + '"'
    text = f"system_ref,{quoted},first_name,email\n1,x,{quoted},a@\n"
    job = brought(system, by, text, ImportOptions())
    client.force_login(by)

    text = page(client, job).content.decode()

    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text


def test_forged_names_of_cells_change_nothing(client, job, by):
    client.force_login(by)
    row = rejected(job)["2"]

    for name in (
        f"cell-{row.pk}-4",
        f"cell-{row.pk}-99",
        "cell--1",
        f"cell-{row.pk}-x",
        "cell-99999999999999999999-1",
    ):
        assert mend(client, job, {name: "x", "keep": "1"}).status_code == 302

    assert not job.rejected_rows.mended().exists()


def test_the_page_costs_the_same_queries_for_one_row_and_for_three(
    client, system, by, django_assert_max_num_queries
):
    one = brought(system, by, "system_ref,email\n1,ann@\n", ImportOptions())
    three = brought(system, by, "system_ref,email\n1,a@\n2,b@\n3,c@\n", ImportOptions())
    client.force_login(by)
    page(client, one)

    with django_assert_max_num_queries(60) as first:
        page(client, one)
    with django_assert_max_num_queries(60) as second:
        page(client, three)

    assert len(second) == len(first)

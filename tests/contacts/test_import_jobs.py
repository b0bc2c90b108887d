"""Imports in the admin: checked in the background, confirmed, written; by right; taken up again."""

import csv
import io

import pytest
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from contacts import tasks
from contacts.importers import IMPORTERS
from contacts.models import FieldChange, Job, Organisation, SystemRef
from contacts.permissions import SystemRight, grant
from contacts.services import import_chunks, jobs
from contacts.services.arrivals import ROWS_AT_ONCE
from contacts.services.corrections import correct
from contacts.services.imports import CannotImport, ImportOptions

from ..factories import NOW, SystemRefFactory, TicketSystemFactory, UserFactory

pytestmark = pytest.mark.django_db

FILE = "system_ref,first_name,email,shoes\n1,Ann,ann@example.org,3\n2,Bo,bo@,4\n3,=Cy,n/a,5\n"
ADD = "admin:contacts_job_add"


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


def filed(system, text=FILE, *, by=None, kind=Job.Kind.IMPORT_SYSTEM_REFS):
    return jobs.file_import(
        SimpleUploadedFile("fans.csv", text.encode()),
        importer=IMPORTERS[kind],
        system=system,
        options=ImportOptions(),
        by=by or manager(system),
        now=NOW,
    )


def upload(client, system, text=FILE, **more):
    file = SimpleUploadedFile("fans.csv", text.encode())
    data = {"system": system.pk, "resource": 0, "import_file": file, **more}
    return client.post(reverse(ADD), data)


def page(job, name="change"):
    return reverse(f"admin:contacts_job_{name}", args=[job.pk])


@pytest.mark.req("D-21")
def test_a_file_is_checked_then_confirmed_then_written(client, system):
    client.force_login(manager(system))

    response = upload(client, system)
    job = Job.objects.get()
    tasks.check_import(job_id=job.pk)
    checked = client.get(page(job))

    assert response.url == page(job)
    assert not SystemRef.objects.exists()
    assert checked.context["counts"] == [
        ("created", 2),
        ("changed", 0),
        ("unchanged", 0),
        ("held", 0),
        ("rejected", 1),
    ]
    assert checked.context["columns"] == ["system_ref", "first_name", "email"]
    assert checked.context["preview"] == [["1", "Ann", "ann@example.org"], ["3", "=Cy", ""]]
    assert [row.line for row in checked.context["rejected"]] == [3]
    assert "Columns left out: shoes" in checked.content.decode()

    client.post(page(job), {"confirm": "1"})
    tasks.write_import(job_id=job.pk)
    job.refresh_from_db()

    assert (job.state, job.counts["created"], job.counts["rejected"], job.rows) == ("done", 2, 1, 3)
    assert sorted(SystemRef.objects.values_list("system_ref", flat=True)) == ["1", "3"]
    assert set(FieldChange.objects.values_list("job", "actor")) == {(job.pk, job.by_id)}
    assert not job.file


def test_a_job_says_which_values_are_at_odds_with_hand_edits(client, system):
    user = manager(system)
    SystemRefFactory(system=system, system_ref="1", first_name="Ann")
    correct(SystemRef.objects.get(), {"first_name": "Anne"}, seen=None, by=user, now=NOW)
    job = filed(system, "system_ref,first_name\n1,Anna\n", by=user)
    jobs.check_import(job.pk, clock=clock)
    job.refresh_from_db()
    jobs.confirm_import(job, by=user, now=NOW)
    jobs.write_import(job.pk, clock=clock)
    client.force_login(user)

    shown = client.get(page(job)).content.decode()

    assert "1 value of the file differs from what a person corrected by hand" in shown
    assert reverse("tdm:conflicts") in shown


def test_rejected_rows_come_back_under_the_files_own_columns_formulas_escaped(client, system):
    user = manager(system)
    job = filed(system, "E-Mail,System Ref,first_name\nbo@,2,=cmd|x\n", by=user)
    jobs.check_import(job.pk, clock=clock)
    client.force_login(user)

    response = client.get(page(job, "rejected"))

    text = b"".join(response.streaming_content).decode("utf-8-sig")
    assert list(csv.DictReader(io.StringIO(text))) == [
        {
            "E-Mail": "bo@",
            "System Ref": "2",
            "first_name": "'=cmd\\|x",
            "line": "2",
            "column": "email",
            "value": "bo@",
            "reason": "It is not an e-mail address; write it like ann@example.org.",
        }
    ]


@pytest.mark.req("R-MDB-17")
def test_without_the_right_to_change_no_upload_confirmation_or_cancellation_gets_through(client, system):
    job = filed(system)
    jobs.check_import(job.pk, clock=clock)
    client.force_login(manager(system, SystemRight.VIEW))

    answers = [
        upload(client, system),
        client.post(page(job), {"confirm": "1"}),
        client.post(page(job), {"cancel": "1"}),
    ]

    assert [answer.status_code for answer in answers] == [403, 403, 403]
    job.refresh_from_db()
    assert (job.state, Job.objects.count(), SystemRef.objects.count()) == ("checked", 1, 0)


@pytest.mark.req("R-MDB-16")
def test_an_invisible_job_is_absent_on_every_path(client, system):
    job = filed(system)
    jobs.check_import(job.pk, clock=clock)
    client.force_login(manager(TicketSystemFactory()))
    absent = client.get(reverse("admin:contacts_job_change", args=[job.pk + 1]))

    answers = [
        client.get(page(job)),
        client.post(page(job), {"confirm": "1"}),
        client.get(page(job, "progress")),
        client.get(page(job, "rejected")),
    ]

    assert [answer.status_code for answer in answers] == [404, 404, 404, 404]
    assert absent.status_code == 404
    assert "fans.csv" not in client.get(reverse("admin:contacts_job_changelist")).content.decode()
    job.refresh_from_db()
    assert job.state == "checked"


def test_naming_an_invisible_system_is_answered_as_one_that_does_not_exist(client, system):
    client.force_login(manager(TicketSystemFactory()))

    invisible = upload(client, system)
    none = upload(client, TicketSystemFactory.build(pk=10**6))

    assert (invisible.status_code, invisible.content) == (404, none.content)
    assert not Job.objects.exists()


def test_an_empty_list_of_imports_says_what_they_are_and_leads_on_who_may_bring_a_file(client, system):
    def listed(user):
        client.force_login(user)
        return client.get(reverse("admin:contacts_job_changelist")).content.decode()

    for_manager = listed(manager(system))
    reader = UserFactory()
    reader.user_permissions.add(Permission.objects.get(codename="view_job"))
    grant(reader, SystemRight.VIEW, on=system)
    for_reader = listed(reader)

    way_on = f'<a class="k-button k-button-main" href="{reverse(ADD)}">Bring a file in</a>'
    assert ["No imports yet" in text for text in (for_manager, for_reader)] == [True, True]
    assert [way_on in text for text in (for_manager, for_reader)] == [True, False]
    assert [
        "takes the right to change a system’s records. Ask" in text for text in (for_manager, for_reader)
    ] == [False, True]


def test_a_sales_rep_may_not_bring_files_in(client, system):
    rep = UserFactory(role="Sales rep")
    for right in SystemRight:
        grant(rep, right, on=system)
    client.force_login(rep)

    assert client.get(reverse(ADD)).status_code == 403
    assert upload(client, system).status_code == 403


def test_purchases_need_their_own_permission(client, system):
    user = manager(system)
    user.groups.clear()
    user.user_permissions.set(
        Permission.objects.filter(codename__in=["add_job", "view_job", "add_systemref"])
    )
    client.force_login(user)

    form = upload(client, system, resource=2).context["form"]

    assert list(form.errors) == ["resource"]


def test_related_names_are_brought_in_as_any_file(client, system):
    by = manager(system)
    client.force_login(by)
    ref = SystemRef.objects.create(system=system, system_ref="1", arrived_at=NOW)

    upload(client, system, "system_ref,name_id,first_name\n1,2,Kirsten\n9,1,Bo\n", resource=2)
    job = Job.objects.get()
    jobs.check_import(job.pk, clock=clock)
    job.refresh_from_db()
    jobs.confirm_import(job, by=by, now=NOW)
    jobs.write_import(job.pk, clock=clock)

    assert job.kind == Job.Kind.IMPORT_RELATED_NAMES
    assert list(ref.related_names.values_list("name_id", "first_name")) == [("2", "Kirsten")]
    assert [row.reason for row in job.rejected_rows.all()] == [
        "TM has no such System Ref; bring System Refs in first."
    ]


@pytest.mark.req("R-MDB-17")
def test_a_right_taken_away_before_the_writing_stops_it(system):
    by = manager(system)
    job = filed(system, by=by)
    jobs.check_import(job.pk, clock=clock)
    jobs.confirm_import(job, by=by, now=NOW)
    by.ticketsystemuserobjectpermission_set.all().delete()

    jobs.write_import(job.pk, clock=clock)

    job.refresh_from_db()
    assert (job.state, job.message) == ("failed", f"{by.username} may not change records of TM.")
    assert not SystemRef.objects.exists()


def test_a_cancelled_job_writes_nothing_and_its_file_is_gone(system, tmp_path):
    by = manager(system)
    job = filed(system, by=by)
    jobs.check_import(job.pk, clock=clock)

    jobs.cancel_import(job, by=by, now=NOW)
    jobs.write_import(job.pk, clock=clock)

    assert not SystemRef.objects.exists()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    with pytest.raises(jobs.JobIsElsewhere, match="is cancelled"):
        jobs.confirm_import(job, by=by, now=NOW)


def test_confirming_twice_writes_once(system):
    by = manager(system)
    job = filed(system, by=by)
    jobs.check_import(job.pk, clock=clock)

    jobs.confirm_import(job, by=by, now=NOW)
    with pytest.raises(jobs.JobIsElsewhere):
        jobs.confirm_import(job, by=by, now=NOW)
    jobs.write_import(job.pk, clock=clock)
    jobs.write_import(job.pk, clock=clock)

    job.refresh_from_db()
    assert (job.state, job.counts["created"]) == ("done", 2)


def test_a_job_cut_off_midway_is_taken_up_behind_its_last_chunk_with_the_same_result(system, monkeypatch):
    rows = ROWS_AT_ONCE + 10
    text = "system_ref,email\n" + "".join(f"{n},{'bad' if n == 5 else ''}\n" for n in range(rows))
    by = manager(system)
    job = filed(system, text, by=by)
    jobs.check_import(job.pk, clock=clock)
    jobs.confirm_import(job, by=by, now=NOW)

    class Killed(BaseException):
        """As kill -9: nothing of ours runs after it."""

    admit_chunk = jobs.admit_chunk

    def killed_in_the_second_chunk(chunk, **given):
        if SystemRef.objects.exists():
            admit_chunk(chunk, **given)
            raise Killed
        return admit_chunk(chunk, **given)

    monkeypatch.setattr(jobs, "admit_chunk", killed_in_the_second_chunk)
    with pytest.raises(Killed):
        jobs.write_import(job.pk, clock=clock)
    job.refresh_from_db()
    assert (job.state, job.rows, SystemRef.objects.count()) == ("writing", ROWS_AT_ONCE, ROWS_AT_ONCE - 1)
    monkeypatch.undo()

    tasks.resume_jobs()

    job.refresh_from_db()
    assert (job.state, job.rows, job.counts["created"], job.counts["rejected"]) == ("done", rows, rows - 1, 1)
    assert SystemRef.objects.count() == FieldChange.objects.count() == rows - 1
    assert job.rejected_rows.count() == 1


def test_a_file_that_comes_again_shows_its_first_rows_and_counts_those_known(system):
    text = "system_ref,first_name\n" + "".join(f"{n},Ann\n" for n in range(70))
    by = manager(system)
    for _ in range(2):
        job = filed(system, text, by=by)
        jobs.check_import(job.pk, clock=clock)
        job.refresh_from_db()
        checked = (len(job.preview), job.preview[0], job.rows, job.position == job.size)
        jobs.confirm_import(job, by=by, now=NOW)
        jobs.write_import(job.pk, clock=clock)
        job.refresh_from_db()

    assert checked == (50, {"system_ref": "0", "first_name": "Ann"}, 70, True)
    assert (job.state, job.rows, job.counts["unchanged"], sum(job.counts.values())) == ("done", 70, 70, 70)


def test_a_job_cut_off_midway_counts_each_row_once_also_where_some_are_known(system, monkeypatch):
    monkeypatch.setattr(import_chunks, "ROWS_AT_ONCE", 2)
    known = "system_ref,first_name\n" + "".join(f"{n},Ann\n" for n in range(6))
    by = manager(system)
    for text in (known, known.replace("1,Ann", "1,Bo").replace("4,Ann", "4,Bo") + "7,Cy\n8,Di\n7,Cyd\n"):
        job = filed(system, text, by=by)
        jobs.check_import(job.pk, clock=clock)
        jobs.confirm_import(job, by=by, now=NOW)
        if text != known:
            _kill_in_the_second_chunk(job, monkeypatch)
        jobs.write_import(job.pk, clock=clock)
        job.refresh_from_db()

    assert (job.state, job.rows) == ("done", 9)
    assert {name: count for name, count in job.counts.items() if count} == {
        "created": 2,
        "changed": 2,
        "unchanged": 5,
    }
    assert SystemRef.objects.get(system_ref="7").first_name == "Cyd"


def _kill_in_the_second_chunk(job, monkeypatch):
    class Killed(BaseException):
        """As kill -9: nothing of ours runs after it."""

    admit_chunk, chunks = jobs.admit_chunk, []

    def killed_in_the_second_chunk(chunk, **given):
        chunks.append(chunk)
        written = admit_chunk(chunk, **given)
        if len(chunks) == 2:
            raise Killed
        return written

    with monkeypatch.context() as patch:
        patch.setattr(jobs, "admit_chunk", killed_in_the_second_chunk)
        with pytest.raises(Killed):
            jobs.write_import(job.pk, clock=clock)
    job.refresh_from_db()
    assert (job.state, job.rows) == ("writing", chunks[0].size)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "The file is empty."),
        ("first_name\nAnn\n", "The header lacks system_ref. It holds: first_name."),
        ("%PDF-1.7 junk", "This is neither a CSV nor an XLSX file: it is a PDF."),
    ],
)
def test_a_file_that_cannot_be_read_fails_the_job_with_the_reason(system, text, message):
    job = filed(system, text)

    jobs.check_import(job.pk, clock=clock)

    job.refresh_from_db()
    assert (job.state, job.message, bool(job.file)) == ("failed", message, False)


def test_a_file_above_the_limit_is_refused_before_it_is_kept(client, system, settings):
    settings.MAX_UPLOAD_BYTES = 10
    client.force_login(manager(system))

    form = upload(client, system).context["form"]

    assert form.errors == {"import_file": ["The file has 0.0 MB; at most 0 are taken."]}
    assert not Job.objects.exists()


def test_progress_tells_the_page_to_load_anew_when_the_step_is_over(client, system):
    user = manager(system)
    job = filed(system, by=user)
    client.force_login(user)

    waiting = client.get(page(job, "progress"), {"state": "waiting"})
    jobs.check_import(job.pk, clock=clock)
    checked = client.get(page(job, "progress"), {"state": "checking"})

    assert "HX-Refresh" not in waiting.headers
    assert checked.headers["HX-Refresh"] == "true"


def test_someone_signed_out_gets_no_progress(client, system):
    assert client.get(page(filed(system), "progress")).status_code == 403


def test_the_list_of_imports_costs_the_same_whatever_its_length(client, system):
    user = manager(system)
    client.force_login(user)
    Organisation.load()

    costs = []
    for more in (1, 2):
        for _ in range(more):
            filed(system, by=user)
        with CaptureQueriesContext(connection) as queries:
            response = client.get(reverse("admin:contacts_job_changelist"))
        costs.append(len(queries))

    assert response.content.decode().count("fans.csv") == 3
    assert costs[0] == costs[1] <= 15


def test_old_jobs_are_forgotten_with_their_rejected_rows_and_files(system, tmp_path):
    old, fresh = filed(system), filed(system)
    for job in (old, fresh):
        jobs.check_import(job.pk, clock=clock)
    Job.objects.filter(pk=old.pk).update(created_at=NOW - jobs.KEPT_FOR * 2)

    assert jobs.prune_jobs(now=NOW) == 1

    assert list(Job.objects.all()) == [fresh]
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1


def test_filing_needs_the_right_in_the_service_too(system):
    with pytest.raises(CannotImport, match="may not change records of TM"):
        filed(system, by=UserFactory(role="CRM manager"))

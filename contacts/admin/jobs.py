"""Imports: bring a file, see what it would come to, confirm, watch it go in, fetch what was rejected."""

from collections.abc import Iterator
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django_q.tasks import async_task
from import_export.admin import ImportMixin
from import_export.forms import ImportForm

from contacts.admin.mending import cells_sent, mend_page, rejected_page
from contacts.admin_access import PerSystemAdmin, VisibleSystemFilter
from contacts.admin_files import importers_of
from contacts.export_files import FORMATS
from contacts.file_resources import FileResource
from contacts.import_files import FileRefused
from contacts.importers import IMPORTERS
from contacts.models import Job, TicketSystem
from contacts.permissions import SystemRight, holds
from contacts.services.arrivals import COUNTS
from contacts.services.imports import BadDateFormat, CannotImport, ImportOptions, rejected_lines
from contacts.services.jobs import (
    ENDED,
    UNDER_WAY,
    JobIsElsewhere,
    cancel_import,
    confirm_import,
    file_import,
    seconds_left,
)
from contacts.services.mending import NothingMended, keep_mended, send_mended

TONES = {
    Job.State.WAITING: "off",
    Job.State.CHECKING: "busy",
    Job.State.CHECKED: "warn",
    Job.State.WRITING: "busy",
    Job.State.DONE: "good",
    Job.State.FAILED: "bad",
    Job.State.CANCELLED: "off",
}


class UploadForm(ImportForm):
    """The library's form, a file and its resource; with the system it belongs to and how it is read.

    Which format it has, the file itself tells.
    """

    system = forms.ModelChoiceField(queryset=TicketSystem.objects.none(), label="of the system")
    date_format = forms.CharField(required=False, max_length=40, label="date format, if not ISO")
    column_map = forms.CharField(
        required=False, widget=forms.Textarea(attrs={"rows": 3}), label="other column names"
    )
    field_order = ("resource", "system", "import_file", "date_format", "column_map")

    def __init__(self, formats: Any, resources: Any, *, systems: Any, **kwargs: Any) -> None:
        super().__init__(formats, resources, **kwargs)
        del self.fields["format"]
        self.fields["resource"].label = "the file holds"
        accepted = {"accept": ".csv,.txt,.tsv,.xlsx", "aria-labelledby": "file-label"}
        self.fields["import_file"].widget = forms.FileInput(attrs=accepted)
        self.fields["import_file"].label = "file"
        self.fields["system"].queryset = systems
        self.fields["system"].empty_label = None if len(systems) == 1 else "choose one"
        self._columns = [[column.name for column in resource.columns()] for resource in resources]

    def clean_column_map(self) -> dict[str, str]:
        """Lines such as "Cust No = system_ref", as a dict."""
        column_map = {}
        for line in filter(str.strip, self.cleaned_data["column_map"].splitlines()):
            theirs, equals, ours = (part.strip() for part in line.rpartition("="))
            if not (equals and theirs and ours):
                raise forms.ValidationError("Write one a line, theirs = ours.")
            column_map[theirs] = ours
        return column_map

    def clean_resource(self) -> int:
        """The number of the resource, the first unless another is chosen."""
        return int(self.cleaned_data["resource"] or 0)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if "resource" in cleaned:
            columns = self._columns[cleaned["resource"]]
            for ours in cleaned.get("column_map", {}).values():
                if ours not in columns:
                    self.add_error("column_map", f"“{ours}” is none of {', '.join(columns)}.")
        return cleaned


def _is_among(systems: Any, sent: str) -> bool:
    return sent.isdecimal() and len(sent) < 19 and systems.filter(pk=sent).exists()


def _systems_of(user: User) -> Any:
    return TicketSystem.objects.visible_to(user).visible_to(user, SystemRight.CHANGE).order_by("rank", "code")


class _LibraryImport(ImportMixin, admin.ModelAdmin):
    """The library's mixin before the stock admin, so that unfold's may stand before both."""


@admin.register(Job)
class JobAdmin(PerSystemAdmin, _LibraryImport):
    """Jobs on systems that the user may see; bringing files in and confirming needs CHANGE on the system.

    Of import_export's pages the upload stands; in place of its synchronous preview the upload becomes a job.
    """

    import_export_change_list_template = None
    change_list_template = "admin/contacts/job/change_list.html"
    import_template_name = "contacts/imports/upload.html"
    import_form_class = UploadForm
    formats = FORMATS
    list_display = ("job", "system", "file_name", "stands", "row_count", "who", "began")
    list_display_links = ("job",)
    list_filter = (VisibleSystemFilter,)
    list_select_related = ("system", "by")
    sortable_by = ()
    ordering = ("-pk",)

    @admin.display(description="import")
    def job(self, job: Job) -> str:
        return f"{job.pk} · {job.get_kind_display().removeprefix('Import of ')}"

    @admin.display(description="state")
    def stands(self, job: Job) -> str:
        return job.get_state_display()

    @admin.display(description="rows")
    def row_count(self, job: Job) -> str:
        return f"{job.rows:,}"

    @admin.display(description="by")
    def who(self, job: Job) -> str:
        return job.by.get_username() if job.by else "–"

    @admin.display(description="brought")
    def began(self, job: Job) -> Any:
        return job.created_at

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and bool(importers_of(request.user))

    def may_steer(self, request: HttpRequest, job: Job) -> bool:
        """Whether the user may confirm or cancel this job."""
        return (
            super().has_add_permission(request)
            and request.user.has_perm(IMPORTERS[job.kind].permission)
            and holds(request.user, SystemRight.CHANGE, job.system)
        )

    def has_import_permission(self, request: HttpRequest) -> bool:
        return self.has_add_permission(request)

    def get_import_resource_classes(self, request: HttpRequest) -> list[type[FileResource]]:
        return [importer.resource for importer in importers_of(request.user)]

    def get_import_form_kwargs(self, request: HttpRequest) -> dict[str, Any]:
        return {**super().get_import_form_kwargs(request), "systems": _systems_of(request.user)}

    def get_import_form_initial(self, request: HttpRequest) -> dict[str, Any]:
        """The kind of file that the list's button named, else the first."""
        kinds = [importer.kind for importer in importers_of(request.user)]
        kind = request.GET.get("kind", "")
        return {"resource": kinds.index(kind) if kind in kinds else 0}

    def get_urls(self) -> list[URLPattern]:
        library = [url for url in super().get_urls() if url.name != "contacts_job_process_import"]
        return [
            path("<path:object_id>/progress/", self.progress_view, name="contacts_job_progress"),
            path(
                "<path:object_id>/rejected.csv",
                self.admin_site.admin_view(self.rejected_view),
                name="contacts_job_rejected",
            ),
            path(
                "<path:object_id>/mend/",
                self.admin_site.admin_view(self.mend_view),
                name="contacts_job_mend",
            ),
            *library,
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().changelist_view(request, {"title": "Imports", **(extra_context or {})})

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return self.import_action(request)

    def import_action(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        """Bring a file: the upload becomes a job, whose page shows how its check goes."""
        if not self.has_import_permission(request):
            raise PermissionDenied
        form = self.create_import_form(request)
        if request.method == "POST":
            self._refuse_forged_system(request)
            if form.is_valid() and (job := self._file(request, form)):
                return redirect("admin:contacts_job_change", job.pk)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Bring a file in",
            "crumbs": [("Imports", reverse("admin:contacts_job_changelist")), ("Bring a file in", "")],
            "form": form,
            "importers": importers_of(request.user),
        }
        return TemplateResponse(request, self.import_template_name, context)

    def _refuse_forged_system(self, request: HttpRequest) -> None:
        """A system that is not on offer: 403 for one that is seen without CHANGE, 404 for any other."""
        wanted = request.POST.get("system", "")
        if not wanted or _is_among(_systems_of(request.user), wanted):
            return
        if _is_among(TicketSystem.objects.visible_to(request.user), wanted):
            raise PermissionDenied
        raise Http404

    def _file(self, request: HttpRequest, form: UploadForm) -> Job | None:
        given = form.cleaned_data
        try:
            job = file_import(
                given["import_file"],
                importer=importers_of(request.user)[given["resource"]],
                system=given["system"],
                options=ImportOptions(given["column_map"], given["date_format"]),
                by=request.user,
                now=timezone.now(),
            )
        except CannotImport as refusal:
            raise PermissionDenied from refusal
        except FileRefused as refusal:
            form.add_error("import_file", str(refusal))
            return None
        except BadDateFormat as refusal:
            form.add_error("date_format", str(refusal))
            return None
        _enqueue("check_import", job)
        return job

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The job's page; a POST confirms or cancels. 404 for an invisible job, 403 without the right."""
        job = self._job(request, object_id)
        if request.method == "POST":
            self._steer(request, job)
            return redirect("admin:contacts_job_change", job.pk)
        importer = IMPORTERS[job.kind]
        rejected = rejected_page(job, request.GET.get("p"))
        may_steer = self.may_steer(request, job)
        columns = [name for name in importer.column_names if any(name in row for row in job.preview)]
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": job,
            "title": f"{job.get_kind_display()} {job.pk}",
            "crumbs": [("Imports", reverse("admin:contacts_job_changelist")), (self.job(job), "")],
            **self._progress_context(request, job),
            "may_steer": may_steer,
            "mend": mend_page(job, list(rejected)) if may_steer else None,
            "writable": job.counts.get("created", 0) + job.counts.get("changed", 0),
            "unchanged": job.counts.get("unchanged", 0),
            "columns": columns,
            "preview": [[row.get(name, "") for name in columns] for row in job.preview],
            "rejected": rejected,
            "corrected": job.options.get("corrects"),
        }
        return TemplateResponse(request, "contacts/imports/job.html", context)

    def progress_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """How far the job is, as a part of its page, which is to load anew once there is more to see."""
        if not self.admin_site.has_permission(request):
            return HttpResponse(status=403)
        job = self._job(request, object_id)
        response = TemplateResponse(
            request, "contacts/imports/progress.html", self._progress_context(request, job)
        )
        if job.state not in UNDER_WAY or job.state != request.GET.get("state", job.state):
            response["HX-Refresh"] = "true"
        return response

    def rejected_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The rejected rows as CSV, to mend and bring again."""
        job = self._job(request, object_id)
        response = StreamingHttpResponse(
            _encoded(rejected_lines(job)), content_type="text/csv; charset=utf-8"
        )
        response["Content-Disposition"] = f'attachment; filename="rejected-{job.pk}.csv"'
        return response

    def mend_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Keep a page's corrections and go to another, or send all corrected rows again; POST only."""
        job = self._job(request, object_id)
        if request.method != "POST" or not self.may_steer(request, job):
            raise PermissionDenied
        by: Any = request.user
        try:
            keep_mended(job, cells_sent(job, request.POST), by=by)
            if "send" in request.POST:
                job = send_mended(job, by=by, now=timezone.now())
                _enqueue("check_import", job)
                return redirect("admin:contacts_job_change", job.pk)
        except CannotImport as refusal:
            raise PermissionDenied from refusal
        except (NothingMended, JobIsElsewhere, FileRefused) as refusal:
            messages.warning(request, str(refusal))
        page = request.POST.get("keep", "1")
        address = reverse("admin:contacts_job_change", args=[job.pk])
        return redirect(f"{address}?p={int(page) if page.isdecimal() and len(page) < 7 else 1}")

    def _job(self, request: HttpRequest, object_id: str) -> Job:
        if not self.has_view_permission(request):
            raise PermissionDenied
        job = self.get_object(request, unquote(object_id))
        if job is None:
            raise Http404
        return job

    def _steer(self, request: HttpRequest, job: Job) -> None:
        if not self.may_steer(request, job):
            raise PermissionDenied
        try:
            if "confirm" in request.POST:
                confirm_import(job, by=request.user, now=timezone.now())
                _enqueue("write_import", job)
            elif "cancel" in request.POST:
                cancel_import(job, by=request.user, now=timezone.now())
        except CannotImport as refusal:
            raise PermissionDenied from refusal
        except JobIsElsewhere as refusal:
            messages.warning(request, str(refusal))

    def _progress_context(self, request: HttpRequest, job: Job) -> dict[str, Any]:
        return {
            "job": job,
            "tone": TONES[Job.State(job.state)],
            "is_under_way": job.state in UNDER_WAY,
            "has_ended": job.state in ENDED,
            "counts": [(name, job.counts.get(name, 0)) for name in COUNTS],
            "conflicts": job.counts.get("conflicts", 0),
            "seconds_left": seconds_left(job, now=timezone.now()),
            "progress_address": f"{reverse('admin:contacts_job_progress', args=[job.pk])}?state={job.state}",
        }


def _enqueue(task: str, job: Job) -> None:
    """Give the job to the cluster once it is committed; the task's name tells nothing of the file."""
    transaction.on_commit(
        lambda: async_task(f"contacts.tasks.{task}", job_id=job.pk, task_name=f"{task} {job.pk}")
    )


def _encoded(lines: Iterator[str]) -> Iterator[bytes]:
    yield "\ufeff".encode()  # so that spreadsheets read UTF-8
    for line in lines:
        yield line.encode()

"""Imports: bring a file, see what it would come to, confirm, watch it go in, fetch what was rejected."""

from collections.abc import Iterator
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django_q.tasks import async_task

from contacts.admin_access import PerSystemAdmin, VisibleSystemFilter
from contacts.import_files import FileRefused
from contacts.importers import IMPORTERS, Importer
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

REJECTED_PER_PAGE = 50
TONES = {
    Job.State.WAITING: "off",
    Job.State.CHECKING: "busy",
    Job.State.CHECKED: "warn",
    Job.State.WRITING: "busy",
    Job.State.DONE: "good",
    Job.State.FAILED: "bad",
    Job.State.CANCELLED: "off",
}


class UploadForm(forms.Form):
    """A file, the system whose records it brings, and how it is to be read."""

    system = forms.ModelChoiceField(queryset=TicketSystem.objects.none(), label="of the system")
    kind = forms.ChoiceField(label="the file holds")
    file = forms.FileField(
        widget=forms.FileInput(attrs={"accept": ".csv,.txt,.tsv,.xlsx", "aria-labelledby": "file-label"})
    )
    date_format = forms.CharField(required=False, max_length=40, label="date format, if not ISO")
    column_map = forms.CharField(
        required=False, widget=forms.Textarea(attrs={"rows": 3}), label="other column names"
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["system"].queryset = _systems_of(user)
        self.fields["kind"].choices = [(importer.kind, importer.name) for importer in _importers_of(user)]

    def clean_column_map(self) -> dict[str, str]:
        """Lines such as "Cust No = system_ref", as a dict."""
        column_map = {}
        for line in filter(str.strip, self.cleaned_data["column_map"].splitlines()):
            theirs, equals, ours = (part.strip() for part in line.rpartition("="))
            if not (equals and theirs and ours):
                raise forms.ValidationError("Write one a line, theirs = ours.")
            column_map[theirs] = ours
        return column_map

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if (importer := IMPORTERS.get(cleaned.get("kind", ""))) and cleaned.get("column_map"):
            for ours in cleaned["column_map"].values():
                if ours not in importer.column_names:
                    self.add_error("column_map", f"“{ours}” is none of {', '.join(importer.column_names)}.")
        return cleaned


def _systems_of(user: User) -> Any:
    return TicketSystem.objects.visible_to(user).visible_to(user, SystemRight.CHANGE).order_by("rank", "code")


def _importers_of(user: User) -> list[Importer]:
    return [IMPORTERS[kind] for kind in Job.Kind if user.has_perm(IMPORTERS[kind].permission)]


@admin.register(Job)
class JobAdmin(PerSystemAdmin):
    """Jobs on systems that the user may see; bringing files in and confirming needs CHANGE on the system."""

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
        return super().has_add_permission(request) and bool(_importers_of(request.user))

    def may_steer(self, request: HttpRequest, job: Job) -> bool:
        """Whether the user may confirm or cancel this job."""
        return (
            super().has_add_permission(request)
            and request.user.has_perm(IMPORTERS[job.kind].permission)
            and holds(request.user, SystemRight.CHANGE, job.system)
        )

    def get_urls(self) -> list[URLPattern]:
        return [
            path("<path:object_id>/progress/", self.progress_view, name="contacts_job_progress"),
            path(
                "<path:object_id>/rejected.csv",
                self.admin_site.admin_view(self.rejected_view),
                name="contacts_job_rejected",
            ),
            *super().get_urls(),
        ]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Bring a file: the upload becomes a job, whose page shows how its check goes."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = UploadForm(request.POST or None, request.FILES or None, user=request.user)
        if request.method == "POST":
            self._refuse_forged_system(request)
            if form.is_valid() and (job := self._file(request, form)):
                return redirect("admin:contacts_job_change", job.pk)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Bring a file in",
            "form": form,
            "importers": _importers_of(request.user),
        }
        return TemplateResponse(request, "contacts/imports/upload.html", context)

    def _refuse_forged_system(self, request: HttpRequest) -> None:
        """A system that the user sees without CHANGE is not on offer: naming it anyway is refused."""
        wanted = request.POST.get("system", "")
        if not wanted.isdecimal() or _systems_of(request.user).filter(pk=wanted).exists():
            return
        if TicketSystem.objects.visible_to(request.user).filter(pk=wanted).exists():
            raise PermissionDenied

    def _file(self, request: HttpRequest, form: UploadForm) -> Job | None:
        given = form.cleaned_data
        try:
            job = file_import(
                given["file"],
                importer=IMPORTERS[given["kind"]],
                system=given["system"],
                options=ImportOptions(given["column_map"], given["date_format"]),
                by=request.user,
                now=timezone.now(),
            )
        except CannotImport as refusal:
            raise PermissionDenied from refusal
        except FileRefused as refusal:
            form.add_error("file", str(refusal))
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
        rejected = Paginator(job.rejected_rows.order_by("line", "pk"), REJECTED_PER_PAGE)
        columns = [name for name in importer.column_names if any(name in row for row in job.preview)]
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": job,
            "title": f"{job.get_kind_display()} {job.pk}",
            **self._progress_context(request, job),
            "may_steer": self.may_steer(request, job),
            "writable": job.counts.get("created", 0) + job.counts.get("changed", 0),
            "unchanged": job.counts.get("unchanged", 0),
            "columns": columns,
            "preview": [[row.get(name, "") for name in columns] for row in job.preview],
            "rejected": rejected.get_page(request.GET.get("p")),
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

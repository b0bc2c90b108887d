"""Nights: the list of them, the page of one with live progress, and the button that asks for one."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.views import ChangeList

from contacts.models import Organisation, SystemRef
from sync.models import NightRun
from sync.night import NIGHT
from sync.night_report import NightLine, next_night_at, night_bars, read_night
from sync.services.request_night import NightIsFiled, NightIsUnderWay, cluster_signs, request_night

NIGHTS_IN_CHART = 30
SENTENCES = {step.name: step.sentence for step in NIGHT}
# htmx's word for "stop asking".
STOP_POLLING = 286


class NightList(ChangeList):
    """The page's nights in words and figures."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        now = timezone.now()
        self.rows = [read_night(run, now=now) for run in self.result_list]


@admin.register(NightRun)
class NightRunAdmin(ModelAdmin):
    """Nights are made by the cluster and read here. Their totals are the whole organisation's.

    Only roles that hold `sync.view_nightrun` come here, so nothing is cut to the systems of one person.
    """

    list_display = ("started_at",)
    list_per_page = 50
    list_select_related = ("by",)
    ordering = ("-started_at", "-pk")
    actions = None
    change_list_template = "admin/sync/nightrun/change_list.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[NightRun]:
        return super().get_queryset(request).prefetch_related("steps")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[NightList]:
        return NightList

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: NightRun | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: NightRun | None = None) -> bool:
        return False

    def may_run(self, request: HttpRequest) -> bool:
        return request.user.has_perm("sync.add_nightrun")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("run/", view(self.run_view), name="sync_nightrun_run"),
            path("<path:object_id>/progress/", self.progress_view, name="sync_nightrun_progress"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        now = timezone.now()
        recent = [
            read_night(run, now=now)
            for run in self.get_queryset(request).order_by("-started_at")[:NIGHTS_IN_CHART]
        ]
        context = {
            "title": "Nights",
            "bars": night_bars(recent),
            "running": next((night for night in recent if night.is_running), None),
            **self._tonight(request),
            **(extra_context or {}),
        }
        return super().changelist_view(request, context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """One night, step by step; while it runs the page asks for its progress every two seconds."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        night = self._night(request, object_id)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": night.run,
            "title": f"Night {night.run.pk}",
            "night": night,
            "progress_address": reverse("admin:sync_nightrun_progress", args=[night.run.pk]),
            **self._tonight(request),
        }
        return TemplateResponse(request, "admin/sync/nightrun/night.html", context)

    def progress_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The steps alone. Refuses with 403: a redirect would put the sign-in page inside this one."""
        if not (self.admin_site.has_permission(request) and self.has_view_permission(request)):
            return HttpResponse(status=403)
        night = self._night(request, object_id)
        return TemplateResponse(
            request,
            "nights/progress.html",
            {"night": night},
            status=200 if night.is_running else STOP_POLLING,
        )

    def run_view(self, request: HttpRequest) -> HttpResponse:
        """Ask first, with what will happen; on POST file the night and lead to the list, where it appears."""
        if not self.may_run(request):
            raise PermissionDenied
        if request.method == "POST":
            return self._file_night(request)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Run the night now",
            "refs": SystemRef.objects.count(),
            "unplaced": SystemRef.objects.unplaced().count(),
            "running": NightRun.objects.filter(state="running").first(),
            **self._tonight(request),
        }
        return TemplateResponse(request, "admin/sync/nightrun/run.html", context)

    def _file_night(self, request: HttpRequest) -> HttpResponse:
        try:
            request_night(by=request.user, now=timezone.now())
        except NightIsUnderWay as refusal:
            self.message_user(request, str(refusal), messages.WARNING)
            return HttpResponseRedirect(reverse("admin:sync_nightrun_change", args=[refusal.run.pk]))
        except NightIsFiled as refusal:
            self.message_user(request, str(refusal), messages.WARNING)
        else:
            self.message_user(request, "The night is filed. It begins as soon as the cluster takes it.")
        return HttpResponseRedirect(reverse("admin:sync_nightrun_changelist"))

    def _tonight(self, request: HttpRequest) -> dict[str, Any]:
        now = timezone.now()
        organisation = Organisation.load()
        return {
            "next_night_at": next_night_at(organisation, now=now),
            "time_zone": organisation.time_zone,
            "edit_time_address": self._edit_time_address(request),
            "may_run": self.may_run(request),
            "cluster": cluster_signs(now=now),
        }

    def _edit_time_address(self, request: HttpRequest) -> str:
        if not request.user.has_perm("contacts.change_organisation"):
            return ""
        return reverse("admin:contacts_organisation_changelist")

    def _night(self, request: HttpRequest, object_id: str) -> NightLine:
        run = self.get_object(request, unquote(object_id))
        if run is None:
            raise Http404
        return read_night(run, now=timezone.now(), sentences=SENTENCES)

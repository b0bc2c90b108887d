"""Nights: their list, the page of one with live progress, and the buttons that begin one or let one go on."""

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
from contacts.next_night import next_night_at
from contacts.permissions import sees_every_system
from contacts.services.brake import AlreadyAccepted, NothingIsHeld, Superseded
from sync.models import NightRun
from sync.morning_requests import requests_report
from sync.night import NIGHT
from sync.night_charts import night_bars, step_times
from sync.night_held import (
    MAY_RELEASE,
    HeldNight,
    held_by_command,
    may_release,
    read_held,
    read_held_by_command,
)
from sync.night_report import NightLine, morning_report, read_night, without_sizes
from sync.services.release_night import release_grouping, release_night
from sync.services.request_night import NightIsFiled, NightIsUnderWay, cluster_signs, request_night
from sync.services.run_night import night_is_at_work

NIGHTS_IN_CHART = 30
HELD_BY = ("by", "held_grouping__accepted_by")
SENTENCES = {step.name: step.sentence for step in NIGHT}
# htmx's word for "stop asking".
STOP_POLLING = 286


def _counts(user: Any) -> dict[str, int]:
    """What a night would compare, for those who see every system: to others the number tells of the rest."""
    if not sees_every_system(user):
        return {}
    return {"refs": SystemRef.objects.count(), "unplaced": SystemRef.objects.unplaced().count()}


def _is_last(run: NightRun) -> bool:
    return not NightRun.objects.filter(pk__gt=run.pk).exists()


class NightList(ChangeList):
    """The page's nights in words and figures."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        now = timezone.now()
        self.rows = [read_night(run, now=now, is_at_work=night_is_at_work) for run in self.result_list]


@admin.register(NightRun)
class NightRunAdmin(ModelAdmin):
    """Nights are made by the cluster and read here. What they did is told of the whole organisation.

    Only roles that hold `sync.view_nightrun` come here, so no night is cut to the systems of one person. How
    many System Refs and Contacts there are in all is told to those who see every system.
    """

    list_display = ("started_at",)
    list_per_page = 50
    list_select_related = HELD_BY
    ordering = ("-started_at", "-pk")
    actions = None
    change_list_template = "admin/sync/nightrun/change_list.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[NightRun]:
        return super().get_queryset(request).select_related(*HELD_BY).prefetch_related("steps")

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

    def may_release(self, request: HttpRequest) -> bool:
        return may_release(request.user)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("run/", view(self.run_view), name="sync_nightrun_run"),
            path("held/", view(self.held_view), name="sync_nightrun_held"),
            path("<path:object_id>/go-on/", view(self.go_on_view), name="sync_nightrun_go_on"),
            path("<path:object_id>/progress/", self.progress_view, name="sync_nightrun_progress"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        now = timezone.now()
        is_told = request.user.has_perm(MAY_RELEASE)
        recent = [
            read_night(run, now=now, is_at_work=night_is_at_work)
            for run in self.get_queryset(request).order_by("-started_at", "-pk")[:NIGHTS_IN_CHART]
        ]
        context = {
            "title": "Nights",
            "bars": night_bars(recent),
            "step_times": step_times(recent),
            "held": next((night for night in recent[:1] if night.is_held and is_told), None),
            "held_grouping": held_by_command() if is_told else None,
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
            "report": morning_report(night),
            "requests": requests_report(
                night.run, user=request.user, is_last=_is_last(night.run), now=timezone.now()
            ),
            "held": self._held(request, night),
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
            **_counts(request.user),
            "running": NightRun.objects.filter(state="running").first(),
            **self._tonight(request),
        }
        return TemplateResponse(request, "admin/sync/nightrun/run.html", context)

    def go_on_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show what will be joined and ask; on POST let the held night go on, as far as it says here."""
        if not self.may_release(request):
            raise PermissionDenied
        night = self._night(request, object_id)
        held = self._held(request, night)
        if held is None:
            raise Http404
        if request.method == "POST":
            return self._release(request, night.run)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": night.run,
            "title": f"Let night {night.run.pk} go on",
            "night": night,
            "held": held,
            **self._tonight(request),
        }
        return TemplateResponse(request, "admin/sync/nightrun/go_on.html", context)

    def held_view(self, request: HttpRequest) -> HttpResponse:
        """A grouping run by command that is held: why, and what it would do; a POST lets a night do it."""
        if not self.has_view_permission(request) or (
            request.method == "POST" and not self.may_release(request)
        ):
            raise PermissionDenied
        held = read_held_by_command(user=request.user)
        if request.method == "POST":
            return self._release_grouping(request, held)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Held grouping run",
            "crumbs": [("Nights", reverse("admin:sync_nightrun_changelist")), ("Held grouping run", "")],
            "held": held,
            **self._tonight(request),
        }
        return TemplateResponse(request, "admin/sync/nightrun/held.html", context)

    def _release_grouping(self, request: HttpRequest, held: HeldNight | None) -> HttpResponse:
        """Only what the page showed: its number comes back with the button."""
        try:
            if held is None or str(held.grouping.pk) != request.POST.get("grouping"):
                raise Superseded
            release_grouping(held.grouping, by=request.user, now=timezone.now())
        except (AlreadyAccepted, NothingIsHeld, Superseded) as refusal:
            self.message_user(request, str(refusal), messages.WARNING)
        else:
            self.message_user(request, "Accepted. A night does it as soon as the cluster takes it.")
        return HttpResponseRedirect(reverse("admin:sync_nightrun_changelist"))

    def _release(self, request: HttpRequest, run: NightRun) -> HttpResponse:
        try:
            release_night(run, by=request.user, now=timezone.now())
        except (AlreadyAccepted, NothingIsHeld, Superseded) as refusal:
            self.message_user(request, str(refusal), messages.WARNING)
        else:
            self.message_user(request, "The night goes on as soon as the cluster takes it.")
        return HttpResponseRedirect(reverse("admin:sync_nightrun_change", args=[run.pk]))

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
            "may_release": self.may_release(request),
            "cluster": cluster_signs(now=now),
        }

    def _edit_time_address(self, request: HttpRequest) -> str:
        if not request.user.has_perm("contacts.change_organisation"):
            return ""
        return reverse("admin:contacts_organisation_changelist")

    def _held(self, request: HttpRequest, night: NightLine) -> HeldNight | None:
        return read_held(night.run, user=request.user, now_held=NightRun.objects.held_now())

    def _night(self, request: HttpRequest, object_id: str) -> NightLine:
        run = self.get_object(request, unquote(object_id))
        if run is None:
            raise Http404
        night = read_night(run, now=timezone.now(), sentences=SENTENCES, is_at_work=night_is_at_work)
        return night if sees_every_system(request.user) else without_sizes(night)

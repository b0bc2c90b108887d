"""Pulls: the log over all connections, and the page of one, with a way on when it is held."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from contacts.admin_access import PerSystemAdmin, VisibleSystemFilter
from contacts.permissions import SystemRight, holds
from contacts.templatetags.kore import system_badge
from ticketing.admin.connection_access import CONNECTIONS, MAY_PULL, page_of
from ticketing.connection_report import RUN_TONES, read_run
from ticketing.models import PullAlarm, PullRun
from ticketing.services.pull_schedule import request_pull
from ticketing.templatetags.connections import ago

ROWS_PER_PAGE = 50
STOP_POLLING = 286  # htmx's word for "stop asking"


class PullSystemFilter(VisibleSystemFilter):
    """By ticket system; a pull knows it through its connection."""

    path = "connection__system"


@admin.register(PullRun)
class PullRunAdmin(PerSystemAdmin):
    """Pulls are made by the cluster and read here."""

    list_display = (
        "began",
        "of_system",
        "stands",
        "how",
        "read",
        "created",
        "changed",
        "not_taken",
        "took",
        "lag",
    )
    list_display_links = ("began",)
    list_filter = (PullSystemFilter, ("state", admin.ChoicesFieldListFilter))
    list_select_related = ("connection__system", "by")
    list_fullwidth = True
    sortable_by = ()
    ordering = ("-pk",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[PullRun]:
        return super().get_queryset(request).select_related("connection__system", "by")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    @admin.display(description="system")
    def of_system(self, run: PullRun) -> SafeString:
        return system_badge(run.connection.system)

    @admin.display(description="state")
    def stands(self, run: PullRun) -> SafeString:
        tone = RUN_TONES[PullRun.State(run.state)]
        return format_html('<span class="k-state k-state-{}">{}</span>', tone, run.get_state_display())

    @admin.display(description="read")
    def read(self, run: PullRun) -> str:
        return f"{run.counts.get('downloaded', 0):,}"

    @admin.display(description="how")
    def how(self, run: PullRun) -> str:
        return f"{run.get_trigger_display()}{', everything' if run.is_full else ''}"

    @admin.display(description="created")
    def created(self, run: PullRun) -> str:
        return f"{run.counts.get('created', 0):,}"

    @admin.display(description="changed")
    def changed(self, run: PullRun) -> str:
        return f"{run.counts.get('changed', 0):,}"

    @admin.display(description="took")
    def took(self, run: PullRun) -> str:
        return ago(sum(run.seconds.values()) or None)

    @admin.display(description="lag")
    def lag(self, run: PullRun) -> str:
        return ago(run.lag_seconds)

    @admin.display(description="rejected")
    def not_taken(self, run: PullRun) -> str:
        return f"{run.counts.get('rejected', 0):,}"

    @admin.display(description="began")
    def began(self, run: PullRun) -> Any:
        return run.started_at

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("<path:object_id>/progress/", self.progress_view, name="ticketing_pullrun_progress"),
            path(
                "<path:object_id>/accept/",
                view(require_POST(self.accept_view)),
                name="ticketing_pullrun_accept",
            ),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        way = {"title": "Pulls", "crumbs": [("Connections", reverse(CONNECTIONS)), ("Pulls", "")]}
        return super().changelist_view(request, {**way, **(extra_context or {})})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The pull's page; it follows one that runs."""
        run = self._run(request, object_id)
        connection = run.connection
        rejected = Paginator(run.waiting_rows.order_by("data_set", "pk"), ROWS_PER_PAGE)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": run,
            "title": f"Pull {run.pk}",
            "crumbs": [
                ("Connections", reverse(CONNECTIONS)),
                (connection.system.code, page_of(connection)),
                (f"Pull {run.pk}", ""),
            ],
            "connection": connection,
            "line": read_run(run, now=timezone.now()),
            "progress_address": reverse("admin:ticketing_pullrun_progress", args=[run.pk]),
            "rejected": rejected.get_page(request.GET.get("p")),
            "may_see_rows": request.user.has_perm("ticketing.view_waitingrow"),
            "may_pull": self._may_pull(request, run),
            "held": _held(run),
        }
        return TemplateResponse(request, "ticketing/connections/run.html", context)

    def progress_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """How far the pull is, as a part of its page, which loads anew when it is over."""
        if not (self.admin_site.has_permission(request) and self.has_view_permission(request)):
            return HttpResponse(status=403)
        run = self._run(request, object_id)
        line = read_run(run, now=timezone.now())
        response = TemplateResponse(request, "ticketing/connections/phases.html", {"line": line})
        if not line.is_running:
            response["HX-Refresh"] = "true"
        return response

    def accept_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Let a pull mark the accounts as gone that this one was held for."""
        run = self._run(request, object_id)
        if not self._may_pull(request, run):
            raise PermissionDenied
        if _held(run) != "accept":
            raise Http404
        request_pull(run.connection, trigger=PullRun.Trigger.HAND, by_id=request.user.pk, accepts=True)
        self.message_user(
            request,
            "Accepted. A full pull begins as soon as the cluster takes it; it lists the accounts anew and"
            " marks those that are missing then.",
        )
        return HttpResponseRedirect(page_of(run.connection))

    def _run(self, request: HttpRequest, object_id: str) -> PullRun:
        if not self.has_view_permission(request):
            raise PermissionDenied
        run = self.get_object(request, unquote(object_id))
        if run is None:
            raise Http404
        return run

    def _may_pull(self, request: HttpRequest, run: PullRun) -> bool:
        return request.user.has_perm(MAY_PULL) and holds(
            request.user, SystemRight.CHANGE, run.connection.system
        )


def _held(run: PullRun) -> str:
    """What can be done about a held pull: "accept" it, "mend" the source, or nothing, as later ones ran.

    The alarm that was raised with it says which; an empty list is never believed.
    """
    if run.state != PullRun.State.HELD:
        return ""
    later = run.connection.runs.filter(pk__gt=run.pk, lists_accounts=True)
    if later.exclude(state=PullRun.State.FAILED).exists():
        return "superseded"  # by one that listed the accounts too; others say nothing about them
    standing = set(run.connection.alarms.filter(over_at=None).values_list("kind", flat=True))
    return "accept" if PullAlarm.Kind.TOO_MANY_GONE in standing else "mend"

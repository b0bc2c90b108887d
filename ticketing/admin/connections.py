"""Connections: how each stands, what its pulls brought, what waits; buttons to pull, test and pause."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Count, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from contacts.admin_access import organisation_of
from contacts.permissions import SystemRight, systems_of
from ticketing.admin.connection_access import ConnectionAccess, asked_by_a_page, page_of
from ticketing.admin.connection_mapping import MappingEditor
from ticketing.admin.connection_settings import ConnectionSettings
from ticketing.connection_report import ConnectionLine, Standing, read_connections, read_run
from ticketing.connectors import KINDS
from ticketing.connectors.base import DataSet, SourceError
from ticketing.lag_chart import PULLS_DRAWN, pull_bars
from ticketing.models import PullRun, SourceConnection, WaitingRow
from ticketing.services.connections import PULLED_KINDS, MayNotConnect, opened, set_paused, test_connection
from ticketing.services.pull_schedule import request_pull
from ticketing.waiting_lines import waiting_lines

RUNS_PER_PAGE = 15
ROWS_PER_PAGE = 25
ALARMS_SHOWN = 8
# How often a page asks how far a pull is, and whether one has begun.
SECONDS_AT_WORK, SECONDS_IDLE = 1, 3


@admin.register(SourceConnection)
class SourceConnectionAdmin(ConnectionSettings, MappingEditor, ConnectionAccess):
    """The list and the page of a connection; its settings and its mapping have modules of their own."""

    list_select_related = ("system",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[SourceConnection]:
        return super().get_queryset(request).select_related("system")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """The role's permission, and a system whose records the user may change."""
        return super().has_add_permission(request) and bool(systems_of(request.user, SystemRight.CHANGE))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            ("progress", self.progress_view),  # asked by a page: a redirect would put the sign-in into it
            ("abilities", view(self.abilities_view)),
            ("test", view(require_POST(self.test_view))),
            ("pull", view(require_POST(self.pull_view))),
            ("pause", view(require_POST(self.pause_view))),
            ("settings", view(self.settings_view)),
            ("mapping", view(self.mapping_view)),
            ("mapping/preview", view(require_POST(self.preview_view))),
        ]
        return [
            *(
                path(
                    f"<path:object_id>/{name}/",
                    shown,
                    name=f"ticketing_sourceconnection_{name.replace('/', '_')}",
                )
                for name, shown in sorted(own, key=lambda entry: -len(entry[0]))
            ),
            path(
                "<path:object_id>/rejected-<str:data_set>.csv",
                view(self.rejected_view),
                name="ticketing_sourceconnection_rejected",
            ),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Every connection of systems that the user may see, those in trouble first."""
        if not self.has_view_permission(request) or request.method not in ("GET", "HEAD"):
            raise PermissionDenied
        rows = self.get_queryset(request).order_by("system__rank", "system__code")
        lines = sorted(read_connections(rows, now=timezone.now()), key=lambda line: not line.is_in_trouble)
        context = {
            **self.page_context(request, None),
            "lines": lines,
            "troubled": sum(line.is_in_trouble for line in lines),
            "waiting": sum(line.waiting for line in lines),
            "may_add": self.has_add_permission(request),
            "holds_add": request.user.has_perm("ticketing.add_sourceconnection"),
            "unconnected": self._unconnected(request),
        }
        return TemplateResponse(request, "ticketing/connections/list.html", context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The connection's page. It follows a pull that runs, and notices one that begins."""
        connection = self.connection(request, object_id)
        return self._page(request, connection)

    def progress_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """How far the pull is, as a part of the page, which loads anew once a pull began or ended."""
        if not (self.admin_site.has_permission(request) and self.has_view_permission(request)):
            return HttpResponse(status=403)
        connection = self.connection(request, object_id)
        line = self._line(connection)
        response = TemplateResponse(
            request, "ticketing/connections/progress.html", self._progress_context(connection, line)
        )
        if request.GET.get("seen", "") != _seen(line):
            response["HX-Refresh"] = "true"
        return response

    def abilities_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """What the connector can do as it is set up; a part of the page, as it may have to ask there."""
        connection = self.must_pull(request, object_id)
        context: dict[str, Any] = {"abilities": None, "problem": None}
        try:
            with opened(asked_by_a_page(connection)) as connector:
                able = connector.capabilities
                context["abilities"] = able
                context["data_sets"] = [one for one in DataSet if one in able.data_sets]
        except SourceError as error:
            context["problem"] = error
        return TemplateResponse(request, "ticketing/connections/abilities.html", context)

    def test_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Look at everything that a pull needs; the findings alone where the page asked for them."""
        connection = self.must_pull(request, object_id)
        findings = test_connection(asked_by_a_page(connection))
        if request.headers.get("HX-Request"):
            return TemplateResponse(
                request, "ticketing/connections/findings.html", _findings_context(findings)
            )
        return self._page(request, connection, **_findings_context(findings))

    def pull_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask the cluster for a pull of what changed, or of everything."""
        connection = self.must_pull(request, object_id)
        is_full = request.POST.get("what") == "everything"
        request_pull(connection, trigger=PullRun.Trigger.HAND, by_id=request.user.pk, is_full=is_full)
        self.message_user(
            request,
            f"A pull of {'everything' if is_full else 'what changed'} is filed. It begins as soon as the"
            " cluster takes it.",
        )
        return HttpResponseRedirect(page_of(connection))

    def pause_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Stop the schedule, or start it again."""
        connection = self.must_pull(request, object_id)
        is_paused = request.POST.get("paused") == "1"
        try:
            set_paused(connection, is_paused, by=request.user, now=timezone.now())
        except MayNotConnect as refusal:
            raise PermissionDenied from refusal
        said = "Paused: nothing is pulled by schedule." if is_paused else "The schedule goes on."
        self.message_user(request, said, messages.SUCCESS)
        return HttpResponseRedirect(page_of(connection))

    def rejected_view(self, request: HttpRequest, object_id: str, data_set: str) -> HttpResponse:
        """The rejected rows of one data set as CSV, as they came and with what is wrong."""
        connection = self.connection(request, object_id)
        if data_set not in {known.value for known in DataSet} or not _may_see_rows(request):
            raise Http404
        rows = WaitingRow.objects.visible_to(request.user).filter(connection=connection, data_set=data_set)
        response = StreamingHttpResponse(
            _encoded(waiting_lines(rows)), content_type="text/csv; charset=utf-8"
        )
        name = f"rejected-{connection.system.code}-{data_set}.csv"
        response["Content-Disposition"] = f'attachment; filename="{name}"'
        return response

    def _page(self, request: HttpRequest, connection: SourceConnection, **more: Any) -> HttpResponse:
        line = self._line(connection)
        runs = Paginator(connection.runs.select_related("by").order_by("-pk"), RUNS_PER_PAGE)
        page = runs.get_page(request.GET.get("p"))
        waiting = connection.waiting_rows.order_by("-since", "-pk")
        context = {
            **self.page_context(request, connection),
            **self._progress_context(connection, line),
            "runs": [read_run(run, now=timezone.now()) for run in page],
            "runs_page": page,
            "bars": pull_bars(connection.runs.order_by("-pk")[:PULLS_DRAWN]),
            "waiting": Paginator(waiting, ROWS_PER_PAGE).get_page(request.GET.get("w")),
            "waiting_sets": waiting.order_by("data_set").values_list("data_set").annotate(Count("pk")),
            "past_alarms": connection.alarms.exclude(over_at=None).order_by("-over_at")[:ALARMS_SHOWN],
            "banners": line.alarms if line.standing is not Standing.HELD else line.other_alarms,
            "secrets": _labelled(connection),
            "held": _held_run(connection) if line.standing is Standing.HELD else None,
            "options": self.shown_options(connection),
            "mapped": [(DataSet(name), columns) for name, columns in connection.mapping.items()],
            "may_pull": self.may_pull(request, connection),
            "may_set_up": self.may_set_up(request, connection),
            "may_see_rows": _may_see_rows(request),
            "time_zone": connection.time_zone or organisation_of(request).time_zone,
            "hint_address": _hint_address(request, connection),
            "tests_now": "test" in request.GET,
            **more,
        }
        return TemplateResponse(request, "ticketing/connections/connection.html", context)

    def _progress_context(self, connection: SourceConnection, line: ConnectionLine) -> dict[str, Any]:
        address = reverse("admin:ticketing_sourceconnection_progress", args=[connection.pk])
        now = timezone.now()
        return {
            "line": line,
            "running": read_run(line.latest, now=now) if line.latest and line.is_pulling else None,
            "progress_address": f"{address}?seen={_seen(line)}",
            "every": SECONDS_AT_WORK if line.is_pulling else SECONDS_IDLE,
        }

    def _line(self, connection: SourceConnection) -> ConnectionLine:
        return read_connections([connection], now=timezone.now())[0]

    def _unconnected(self, request: HttpRequest) -> int:
        """How many systems there are to connect for this user."""
        return sum(system.kind in PULLED_KINDS for system in self.connectable(request))


def _hint_address(request: HttpRequest, connection: SourceConnection) -> str:
    """Where the source may send its hints; blank where its connector takes none."""
    kind = KINDS.get(connection.connector)
    if kind is None or kind.hint_of is None:
        return ""
    return request.build_absolute_uri(reverse("source_hint", args=[connection.hook_key]))


def _labelled(connection: SourceConnection) -> list[tuple[str, Any]]:
    """What each secret that is set is called, and since when it is."""
    kind = KINDS.get(connection.connector)
    labels = {option.name: option.label for option in kind.options} if kind else {}
    found = connection.secrets.order_by("name").values_list("name", "set_at")
    return [(labels.get(name, name), set_at) for name, set_at in found]


def _held_run(connection: SourceConnection) -> PullRun | None:
    """The pull that waits for a person's word."""
    return connection.runs.filter(state=PullRun.State.HELD).order_by("-pk").first()


def _seen(line: ConnectionLine) -> str:
    """What a page shows of the last pull: with anything else it has to load anew."""
    return f"{line.latest.pk}-{line.latest.state}-{line.latest.attempts}" if line.latest else ""


def _findings_context(findings: Any) -> dict[str, Any]:
    return {"findings": findings, "are_good": all(finding.is_good for finding in findings)}


def _may_see_rows(request: HttpRequest) -> bool:
    return request.user.has_perm("ticketing.view_waitingrow")


def _encoded(lines: Iterator[str]) -> Iterator[bytes]:
    yield "\ufeff".encode()  # so that spreadsheets read UTF-8
    for line in lines:
        yield line.encode()

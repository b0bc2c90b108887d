"""Tonight's plan: its lines by kind with a hold box on each, making it anew, and the lines as CSV."""

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from unfold.admin import ModelAdmin

from contacts.export_files import StreamedCsv
from contacts.models import HeldLine, Organisation
from contacts.next_night import next_night_at
from contacts.permissions import sees_every_system
from contacts.services.held_lines import MAY_HOLD, CannotHold, MayNotHold, let_go
from sync.models import NightPlan, PlanLine
from sync.night_held import read_brake
from sync.plan_lines import (
    KINDS,
    ShownLine,
    counts_by_kind,
    holds_elsewhere,
    outdated_by,
    read_lines,
    touching,
)
from sync.services.hold_plan_lines import hold_line, let_line_go
from sync.services.plan_night import plan_state, request_plan
from sync.services.request_night import cluster_signs
from sync.services.run_night import night_is_at_work

LINES_PER_PAGE = 100
EXPORTED_AT_ONCE = 500
ASKED = ("kind", "q", "held", "p")  # what the address may say of the list
# Without how many System Refs or seconds there are of all systems.
TOO_MUCH = "The coming night changes too much to be told line by line."
STOP_POLLING = 286  # htmx's word for "stop asking"


@admin.register(NightPlan)
class NightPlanAdmin(ModelAdmin):
    """The last plan that was made. Lines about a ref that the reader may not see are absent, and nothing is
    said of them; what is told in numbers alone is told to who sees every system.
    """

    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: NightPlan | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: NightPlan | None = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("", view(self.changelist_view), name="sync_nightplan_changelist"),
            path("make/", view(self.make_view), name="sync_nightplan_make"),
            path("hold/", view(self.hold_view), name="sync_nightplan_hold"),
            path("export/", view(self.export_view), name="sync_nightplan_export"),
            path("progress/", self.progress_view, name="sync_nightplan_progress"),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        self._must_view(request)
        if request.method not in ("GET", "HEAD"):
            raise PermissionDenied
        now = timezone.now()
        state = plan_state(now=now)
        plan = state.made
        organisation = Organisation.load()
        at_work = night_is_at_work()
        warns = state.is_outdated and not (at_work or state.under_way or state.failed)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Tonight’s plan",
            "crumbs": [("Tonight’s plan", "")],
            "state": state,
            "plan": plan,
            "may_hold": request.user.has_perm(MAY_HOLD),
            "night_at": next_night_at(organisation, now=now),
            "time_zone": organisation.time_zone,
            "age_seconds": (now - plan.made_at).total_seconds() if plan and plan.made_at else None,
            "night_is_at_work": at_work,
            "cluster": cluster_signs(now=now),
            "progress_address": reverse("admin:sync_nightplan_progress"),
            "holds": holds_elsewhere(plan, request.user),
            "outdated_by": outdated_by(plan, request.user) if plan and warns else "",
            **(self._lines(request, plan) if plan else {}),
            **(self._whole(request, plan) if plan else {}),
        }
        return TemplateResponse(request, "admin/sync/nightplan/plan.html", context)

    def progress_view(self, request: HttpRequest) -> HttpResponse:
        """How far a plan under way is. When it is made the page comes anew."""
        if not (self.admin_site.has_permission(request) and self.has_view_permission(request)):
            return HttpResponse(status=403)
        state = plan_state(now=timezone.now())
        if state.under_way is None:
            return HttpResponse(status=STOP_POLLING, headers={"HX-Refresh": "true"})
        return TemplateResponse(request, "nights/plan_progress.html", {"plan": state.under_way})

    def make_view(self, request: HttpRequest) -> HttpResponse:
        """File a plan for the cluster."""
        self._must_hold(request)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        request_plan(by=request.user, now=timezone.now())
        return HttpResponseRedirect(reverse("admin:sync_nightplan_changelist"))

    def hold_view(self, request: HttpRequest) -> HttpResponse:
        """Hold a line, let it go, or let go what no line shows any more; lead back to where that was."""
        self._must_hold(request)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        anchor = ""
        try:
            if "let_hold_go" in request.POST:
                let_go(self._hold(request), by=request.user)
            else:
                line = self._line(request)
                anchor = f"#line-{line.pk}"
                if "hold" in request.POST:
                    hold_line(line, by=request.user, now=timezone.now())
                else:
                    let_line_go(line, by=request.user, now=timezone.now())
        except MayNotHold:
            raise PermissionDenied from None
        except CannotHold as refusal:
            self.message_user(request, str(refusal), messages.WARNING)
        address = reverse("admin:sync_nightplan_changelist")
        return HttpResponseRedirect(f"{address}?{_back(request)}{anchor}")

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """The lines that the list shows, all of them, as CSV."""
        self._must_view(request)
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        plan = plan_state(now=timezone.now()).made
        rows = list(_asked_for(request, plan)) if plan else []
        answer = StreamingHttpResponse(
            StreamedCsv().parts(_as_table(rows)), content_type=StreamedCsv.CONTENT_TYPE
        )
        name = f"plan-{timezone.localdate():%Y-%m-%d}.csv"
        answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        return answer

    def _lines(self, request: HttpRequest, plan: NightPlan) -> dict[str, Any]:
        """The page of lines that is asked for, by kind."""
        paginator = Paginator(_asked_for(request, plan), LINES_PER_PAGE)
        page = paginator.get_page(request.GET.get("p"))
        counts = counts_by_kind(plan, request.user)
        chosen = request.GET.get("kind", "")
        return {
            "page": page,
            "pages": _pages(request, page),
            "sections": _by_kind(read_lines(page.object_list, reader=request.user)),
            "kinds": [
                (KINDS[kind], count, _with(request, kind=kind, p=""), kind == chosen)
                for kind, count in counts.items()
            ],
            "every_count": sum(counts.values()),
            "every_address": _with(request, kind="", p=""),
            "every_is_chosen": chosen not in counts,
            "query": request.GET.get("q", "").strip(),
            "held_only": request.GET.get("held") == "1",
            "asked": request.GET.urlencode(),
            "is_narrowed": any(request.GET.get(name) for name in ("kind", "q", "held")),
            "chosen": chosen,
        }

    def _whole(self, request: HttpRequest, plan: NightPlan) -> dict[str, Any]:
        """What is told of the night as a whole."""
        told = sees_every_system(request.user)
        brake, why = plan.counts.get("brake"), plan.counts.get("why_numbers", "")
        return {
            "brake": read_brake(brake, user=request.user) if brake else None,
            "why_numbers": why if told or not why else TOO_MUCH,
            "numbers": plan.counts.get("numbers", {}) if told else {},
            "untold": [(KINDS[kind], n) for kind, n in plan.counts.get("untold", {}).items()] if told else [],
            "sees_all": told,
        }

    def _must_view(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):
            raise PermissionDenied

    def _must_hold(self, request: HttpRequest) -> None:
        self._must_view(request)
        if not request.user.has_perm(MAY_HOLD):
            raise PermissionDenied

    def _line(self, request: HttpRequest) -> PlanLine:
        """The line that was sent, of those that the person may see."""
        sent = request.POST.get("hold") or request.POST.get("let_go") or ""
        rows = PlanLine.objects.visible_to(request.user).select_related("request")
        line = rows.filter(pk=int(sent)).first() if sent.isdecimal() and len(sent) < 19 else None
        if line is None:
            raise Http404
        return line

    def _hold(self, request: HttpRequest) -> HeldLine:
        sent = request.POST["let_hold_go"]
        rows = HeldLine.objects.visible_to(request.user)
        hold = rows.filter(pk=int(sent)).first() if sent.isdecimal() and len(sent) < 19 else None
        if hold is None:
            raise Http404
        return hold


def _asked_for(request: HttpRequest, plan: NightPlan) -> QuerySet[PlanLine]:
    """The lines of the plan that the reader may see, as the address narrows them, in its order."""
    rows = PlanLine.objects.filter(plan=plan).visible_to(request.user).order_by("position")
    if (kind := request.GET.get("kind")) in KINDS:
        rows = rows.filter(kind=kind)
    if request.GET.get("held") == "1":
        rows = touching(rows)
    if query := request.GET.get("q", "").strip():
        number = int(query) if query.isdecimal() and len(query) < 19 else 0
        rows = rows.filter(refs__system_ref__mapping__contact=number).distinct()
    return rows


def _by_kind(lines: Sequence[ShownLine]) -> list[tuple[str, str, list[ShownLine]]]:
    sections: dict[str, list[ShownLine]] = {}
    for line in lines:
        sections.setdefault(line.line.kind, []).append(line)
    return [(kind, KINDS[kind], found) for kind, found in sections.items()]


def _as_table(rows: Sequence[PlanLine]) -> Iterator[Sequence[Any]]:
    yield ("kind", "GroupIDs", "before", "after", "why", "request", "held")
    for start in range(0, len(rows), EXPORTED_AT_ONCE):
        for shown in read_lines(rows[start : start + EXPORTED_AT_ONCE]):
            line = shown.line
            yield (
                line.get_kind_display(),
                ", ".join(str(group_id) for group_id in line.group_ids),
                shown.before_text,
                shown.after_text,
                shown.why,
                line.request_id or "",
                "held" if shown.is_held else "",
            )


def _pages(request: HttpRequest, page: Page) -> list[tuple[str, str]]:
    """Under the list: the title and the address of each page; none for the one that is shown."""
    if page.paginator.num_pages == 1:
        return []
    numbers = page.paginator.get_elided_page_range(page.number, on_each_side=2, on_ends=1)
    return [(str(n), _with(request, p=n) if isinstance(n, int) and n != page.number else "") for n in numbers]


def _with(request: HttpRequest, **changed: Any) -> str:
    asked = {name: request.GET[name] for name in ASKED if request.GET.get(name)} | changed
    return "?" + urlencode({name: value for name, value in asked.items() if value})


def _back(request: HttpRequest) -> str:
    """What the list was narrowed to, of the names that it knows."""
    return urlencode({name: request.GET[name] for name in ASKED if request.GET.get(name)})

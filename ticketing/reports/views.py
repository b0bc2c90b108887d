"""The pages of the reports, and their files: exactly the table that the page shows."""

import logging
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.admin.views.decorators import staff_member_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from contacts.admin_access import organisation_of
from contacts.export_files import StreamedCsv, StreamedXlsx
from contacts.permissions import systems_of
from ticketing.reports.built import Built
from ticketing.reports.catalogue import REPORTS, Report
from ticketing.reports.filters import Filters
from ticketing.reports.scope import Scope
from ticketing.reports.table import Column, Figure, Row, Table
from ticketing.services.kept_reports import forget

NEEDED = "ticketing.view_purchase"
SORT = "o"
_FORMATS = {"csv": StreamedCsv, "xlsx": StreamedXlsx}
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Heading:
    """A column's title, which sorts by it: the address to do so, and how it is sorted now."""

    title: str
    address: str
    sorted: str
    is_figure: bool


@dataclass(frozen=True)
class Cell:
    """A figure as the screen shows it; its classes in one text, as a table may hold thousands."""

    text: str
    classes: str
    is_withheld: bool


@require_safe
@staff_member_required
def index(request: HttpRequest) -> HttpResponse:
    """The reports there are. 403 for whoever may not see purchases."""
    _require_right(request)
    return _page(request, "reports/index.html", {"reports": list(REPORTS.values()), "title": "Reports"})


@require_safe
@staff_member_required
def report(request: HttpRequest, key: str) -> HttpResponse:
    """One report as filtered and sorted. 403 for whoever may not see purchases, 404 for an unknown report."""
    _require_right(request)
    shown = _report(key)
    filters = _filters(request, shown)
    context: dict[str, Any] = {
        "report": shown,
        "reports": list(REPORTS.values()),
        "filters": filters,
        "query": request.GET.urlencode(),
        "crumbs": [("Reports", reverse("reports")), (shown.title, "")],
    }
    if filters.is_valid():
        scope = _scope(request, filters)
        built = _sorted(request, shown.build(scope))
        context |= {"built": built, "scope": scope, **_table(request, built.table)}
    return _page(request, "reports/report.html", context)


@require_safe
@staff_member_required
def export(request: HttpRequest, key: str, kind: str) -> HttpResponse:
    """The table of a report as a file, filtered and sorted as on the screen; no cell of it is a formula."""
    _require_right(request)
    shown = _report(key)
    if kind not in _FORMATS:
        raise Http404
    filters = _filters(request, shown)
    if not filters.is_valid():
        return redirect(_address(shown, request))
    lines = list(_sorted(request, shown.build(_scope(request, filters))).table.lines())
    file = _FORMATS[kind]()
    logger.info("User %s exported the report %s as %s", request.user.pk, shown.key, kind)
    response = StreamingHttpResponse(file.parts(lines), content_type=file.get_content_type())
    name = f"kore-{shown.key}-{timezone.localdate():%Y-%m-%d}.{kind}"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@require_POST
@staff_member_required
def count_afresh(request: HttpRequest, key: str) -> HttpResponse:
    """Forget the kept sums of a report as filtered, and show it counted anew."""
    _require_right(request)
    shown = _report(key)
    filters = _filters(request, shown)
    if filters.is_valid():
        forget(shown.build(_scope(request, filters)).kept)
        messages.success(request, "Counted afresh.")
    return redirect(_address(shown, request))


def _require_right(request: HttpRequest) -> None:
    if not request.user.has_perm(NEEDED):
        raise PermissionDenied


def _report(key: str) -> Report:
    if key not in REPORTS:
        raise Http404
    return REPORTS[key]


def _filters(request: HttpRequest, shown: Report) -> Filters:
    return Filters(request.GET, takes=shown.takes, visible=systems_of(request.user))


def _scope(request: HttpRequest, filters: Filters) -> Scope:
    chosen = filters.chosen()
    return Scope.of(
        request.user,
        organisation_of(request),
        chosen.asked,
        system=chosen.system,
        unit_id=chosen.unit_id,
        now=timezone.now(),
    )


def _sorted(request: HttpRequest, built: Built) -> Built:
    number, descending = _order(request, built.table)
    if number is None:
        return built
    return replace(built, table=built.table.sorted_by(number, descending=descending))


def _order(request: HttpRequest, table: Table) -> tuple[int | None, bool]:
    """The column that the address asks for, and whether backwards; None for the report's own order."""
    asked = request.GET.get(SORT, "")
    digits = asked.removeprefix("-")
    if not digits.isdecimal() or len(digits) > 4 or int(digits) > len(table.columns):
        return None, False
    return int(digits), asked.startswith("-")


def _table(request: HttpRequest, table: Table) -> dict[str, Any]:
    """The table as the template takes it."""
    return {
        "groups": table.groups,
        "label": _heading(request, table, 0, table.label, is_figure=False),
        "headings": [
            _heading(request, table, number, column.title, is_figure=column.is_figure)
            for number, column in enumerate(table.columns, start=1)
        ],
        "rows": [_line(row, table.columns) for row in table.rows],
        "totals": [_line(row, table.columns) for row in table.totals],
    }


def _heading(request: HttpRequest, table: Table, number: int, title: str, *, is_figure: bool) -> Heading:
    """Largest first at the first click, smallest at the next."""
    current, descending = _order(request, table)
    is_current = current == number
    backwards = not descending if is_current else is_figure
    query = request.GET.copy()
    query[SORT] = f"{'-' if backwards else ''}{number}"
    said = "" if not is_current else "descending" if descending else "ascending"
    return Heading(title, f"?{query.urlencode()}", said, is_figure)


def _line(row: Row, columns: Any) -> tuple[Row, list[Cell]]:
    return row, [_cell(figure, column) for figure, column in zip(row.figures, columns, strict=True)]


def _cell(figure: Figure, column: Column) -> Cell:
    classes = ["k-num"] if column.is_figure else []
    if column.is_tinted and figure.value is not None:
        classes.append(f"rp-tint ov-tint-{figure.tint}")
    if figure.withheld:
        classes.append("rp-withheld")
    return Cell(figure.text(column), " ".join(classes), bool(figure.withheld))


def _address(shown: Report, request: HttpRequest) -> str:
    query = urlencode(list(request.GET.items()))
    return f"{reverse('report', args=[shown.key])}{'?' if query else ''}{query}"


def _page(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    return render(request, template, {**admin.site.each_context(request), **context})

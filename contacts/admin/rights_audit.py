"""The audit trail of rights: who gave, took or looked; and who was refused a write."""

from collections.abc import Iterator
from datetime import tzinfo
from typing import Any

from django.contrib.admin import AdminSite
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone

from contacts.admin.rights_pages import page_links
from contacts.export_files import StreamedCsv
from contacts.models import RefusedAttempt, RightsRecord
from contacts.permissions import SystemRight
from contacts.rights_matrix import plain

LINES_A_PAGE = 50
HEADER = ("at", "by", "deed", "to", "right", "system")
_RIGHT_WORDS = {SystemRight.VIEW.value: "view", SystemRight.CHANGE.value: "change"}


class RightsAudit:
    """The two lists beside the matrix; for those who may open that."""

    admin_site: AdminSite

    def must_decide(self, request: HttpRequest) -> None:
        raise NotImplementedError

    def rights_context(self, request: HttpRequest, tab: str) -> dict[str, Any]:
        raise NotImplementedError

    def audit_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("audit/", view(self.audit_view), name="contacts_rightsrecord_audit"),
            path("audit/export/", view(self.audit_export_view), name="contacts_rightsrecord_audit_export"),
            path("refused/", view(self.refused_view), name="contacts_rightsrecord_refused"),
        ]

    def audit_view(self, request: HttpRequest) -> HttpResponse:
        """Who gave or took which right, newest first."""
        self.must_decide(request)
        page = Paginator(_records(request).select_related("system"), LINES_A_PAGE).get_page(
            request.GET.get("p")
        )
        for record in page.object_list:
            record.right_word = _RIGHT_WORDS.get(record.right, "")
        codes = RightsRecord.objects.exclude(system_code="").order_by("system_code")
        context = {
            **self.rights_context(request, "audit"),
            "page": page,
            "cl": page_links(page, request.GET),
            "codes": list(codes.values_list("system_code", flat=True).distinct()),
            "asked": _asked(request),
            "query": request.GET.urlencode(),
        }
        return TemplateResponse(request, "contacts/rights/audit.html", context)

    def audit_export_view(self, request: HttpRequest) -> HttpResponseBase:
        """The same lines as CSV, all of them."""
        self.must_decide(request)
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        # The file goes out after the request, and with it the organisation's time zone, is over.
        lines = _lines(_records(request), timezone.get_current_timezone())
        answer = StreamingHttpResponse(StreamedCsv().parts(lines), content_type=StreamedCsv.CONTENT_TYPE)
        name = f"rights-{timezone.localdate():%Y-%m-%d}.csv"
        answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        return answer

    def refused_view(self, request: HttpRequest) -> HttpResponse:
        """Writes that were refused to people who were signed in, newest first."""
        self.must_decide(request)
        person = plain(request.GET.get("person", ""))
        attempts = RefusedAttempt.objects.select_related("user").order_by("-at", "-pk")
        for word in person.split():
            attempts = attempts.filter(
                Q(user__username__icontains=word)
                | Q(user__first_name__icontains=word)
                | Q(user__last_name__icontains=word)
            )
        page = Paginator(attempts, LINES_A_PAGE).get_page(request.GET.get("p"))
        context = {
            **self.rights_context(request, "refused"),
            "page": page,
            "cl": page_links(page, request.GET),
            "asked": {"person": person},
        }
        return TemplateResponse(request, "contacts/rights/refused.html", context)


def _asked(request: HttpRequest) -> dict[str, str]:
    return {name: plain(request.GET.get(name, "")) for name in ("person", "by", "system")}


def _records(request: HttpRequest) -> QuerySet[RightsRecord]:
    """The lines asked for: by parts of the names as they were then, and by the system's code."""
    asked = _asked(request)
    records = RightsRecord.objects.order_by("-at", "-pk")
    for word in asked["person"].split():
        records = records.filter(to_name__icontains=word)
    for word in asked["by"].split():
        records = records.filter(by_name__icontains=word)
    return records.filter(system_code=asked["system"]) if asked["system"] else records


def _lines(records: QuerySet[RightsRecord], zone: tzinfo) -> Iterator[tuple[str, ...]]:
    yield HEADER
    for record in records.iterator(chunk_size=2000):
        at = record.at.astimezone(zone)
        yield (
            f"{at:%Y-%m-%d %H:%M:%S%z}",
            record.by_name,
            record.get_deed_display(),
            record.to_name,
            _RIGHT_WORDS.get(record.right, ""),
            record.system_code,
        )

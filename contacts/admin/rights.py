"""Ticket System User Permission: who sees and changes which system, set by CRM managers."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect, QueryDict
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from unfold.admin import ModelAdmin

from contacts.admin.rights_audit import RightsAudit
from contacts.admin.rights_forms import read_bulk, read_ticks
from contacts.admin.rights_pages import page_links
from contacts.models import RightsRecord
from contacts.rights_matrix import Asked, rights_matrix
from contacts.services.rights import MayNotGrant, Outcome, change_rights, name_of, undo_changes

LAST_SAVE = "rights_saved"
MOST_NAMED = 5
CHANGELIST = "admin:contacts_rightsrecord_changelist"


@admin.register(RightsRecord)
class RightsRecordAdmin(RightsAudit, ModelAdmin):
    """The matrix in the place of the list, and beside it the audit trail.

    For those who decide about rights alone. It names every system, as its settings do to those who steer;
    no record of any is shown.
    """

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("", view(self.changelist_view), name="contacts_rightsrecord_changelist"),
            path("save/", view(self.save_view), name="contacts_rightsrecord_save"),
            path("bulk/", view(self.bulk_view), name="contacts_rightsrecord_bulk"),
            path("undo/", view(self.undo_view), name="contacts_rightsrecord_undo"),
            *self.audit_urls(),
        ]

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.is_active and request.user.has_perm("contacts.grant_rights")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The matrix, with what was saved last, so that it can be undone."""
        self.must_decide(request)
        asked = Asked.of(request.GET)
        matrix = rights_matrix(asked, by=request.user)
        context = {
            **self.rights_context(request, "matrix"),
            "asked": asked,
            "matrix": matrix,
            "cl": page_links(matrix.page, request.GET),
            "back": request.GET.urlencode(),
            "saved": request.session.get(LAST_SAVE),
        }
        return TemplateResponse(request, "contacts/rights/matrix.html", context)

    def save_view(self, request: HttpRequest) -> HttpResponseBase:
        """Give and take what was ticked."""
        self.must_decide(request)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            outcome = change_rights(read_ticks(request.POST), by=request.user, now=timezone.now())
        except MayNotGrant as refusal:
            raise PermissionDenied from refusal
        self._say(request, outcome)
        return _back(request)

    def bulk_view(self, request: HttpRequest) -> HttpResponseBase:
        """What one right for many comes to, in numbers; once that is confirmed, give or take it."""
        self.must_decide(request)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        bulk = read_bulk(request)
        if not bulk.systems or not (bulk.holders or bulk.left_out):
            missing = "system over its column" if not bulk.systems else "row"
            self.message_user(request, f"Tick at least one {missing}.", messages.WARNING)
            return _back(request)
        if "confirmed" not in request.POST:
            context = {
                **self.rights_context(request, "matrix"),
                "title": "Rights for many",
                "bulk": bulk,
                "counts": bulk.counts(),
                "left_out": [(name_of(holder), reason) for holder, reason in bulk.left_out],
                "names": [name_of(holder) for holder in bulk.holders.values()],
                "back": request.POST.get("back", ""),
            }
            return TemplateResponse(request, "contacts/rights/bulk.html", context)
        if bulk.left_out:
            raise PermissionDenied  # the page that is confirmed sends none of these
        try:
            outcome = change_rights(bulk.changes, by=request.user, now=timezone.now())
        except MayNotGrant as refusal:
            raise PermissionDenied from refusal
        self._say(request, outcome)
        return _back(request)

    def undo_view(self, request: HttpRequest) -> HttpResponseBase:
        """Put back what this person saved last in this session."""
        self.must_decide(request)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        saved = request.session.get(LAST_SAVE)
        if saved is None:
            self.message_user(request, "There is nothing to undo.", messages.WARNING)
            return _back(request)
        try:
            outcome = undo_changes(saved["records"], by=request.user, now=timezone.now())
        except MayNotGrant as refusal:
            self.message_user(request, f"Not undone. {refusal}", messages.ERROR)
            return _back(request)
        self._say(request, outcome, done="Undone")
        return _back(request)

    def must_decide(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):
            raise PermissionDenied

    def rights_context(self, request: HttpRequest, tab: str) -> dict[str, Any]:
        """What all pages of this screen share."""
        title = "Ticket System User Permission"
        return {**self.admin_site.each_context(request), "opts": self.opts, "title": title, "tab": tab}

    def _say(self, request: HttpRequest, outcome: Outcome, done: str = "Saved") -> None:
        """What happened, and what was left alone; keeps the save for the undo."""
        if outcome.records:
            request.session[LAST_SAVE] = {
                "records": [record.pk for record in outcome.records],
                "given": outcome.given,
                "taken": outcome.taken,
            }
            self.message_user(
                request, f"{done}: {_counted(outcome)}. It holds from the next click on.", messages.SUCCESS
            )
        elif not outcome.stale:
            self.message_user(request, "Nothing had to be changed.", messages.INFO)
        if outcome.stale:
            cells = dict.fromkeys((name_of(one.to), one.system.code) for one in outcome.stale)
            named = [f"{name} on {code}" for name, code in list(cells)[:MOST_NAMED]]
            more = f" and {len(cells) - MOST_NAMED} more" if len(cells) > MOST_NAMED else ""
            self.message_user(
                request,
                f"Somebody else changed these meanwhile, so they stay as they are now: "
                f"{', '.join(named)}{more}. Look again, then decide.",
                messages.WARNING,
            )


def _counted(outcome: Outcome) -> str:
    parts = [(outcome.given, "given"), (outcome.taken, "taken away")]
    return " and ".join(
        f"{count:,} {'right was' if count == 1 else 'rights were'} {verb}" for count, verb in parts if count
    )


def _back(request: HttpRequest) -> HttpResponseRedirect:
    """To the rows that were shown; whatever else the field holds stays an address of this page."""
    asked = QueryDict(request.POST.get("back", "")[:500]).urlencode()
    return HttpResponseRedirect(reverse(CHANGELIST) + (f"?{asked}" if asked else ""))

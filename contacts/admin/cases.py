"""Cases: the list, the page of one with its facts and comments, and raising one from a contact (R-CM-24)."""

from typing import TYPE_CHECKING, Any, cast

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Model, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from contacts.admin.case_facts_shown import facts_shown
from contacts.admin.sent_ids import row_at, sent_id, sent_text
from contacts.admin_access import PerSystemAdmin, organisation_of
from contacts.contact_page.groupings import how_it_came_back
from contacts.models import Case, Contact, GroupRequest
from contacts.services.came_back import came_back
from contacts.services.cases import (
    KEPT_HERE,
    LONGEST_TITLE,
    MAY_HANDLE,
    MAY_RAISE,
    CannotRaise,
    MayNotRaise,
    comment,
    raise_case,
    send_case,
)

if TYPE_CHECKING:
    from django.contrib.auth.models import User

CHANGELIST = "admin:contacts_case_changelist"
TONES = {Case.State.OPEN: "warn", Case.State.IN_HAND: "busy", Case.State.SOLVED: "good"}
REFUSED = "case_refused"  # of this session: the case, and why nothing was said on it
CAME_BACK = "Grouped again after it was parted"


class StateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("unsolved", "not solved"), *Case.State.choices]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() == "unsolved":
            return queryset.exclude(state=Case.State.SOLVED)
        return queryset.filter(state=self.value()) if self.value() else queryset


class RaisedByFilter(admin.SimpleListFilter):
    title = "raised by"
    parameter_name = "by"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("me", "me")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(by=cast("User", request.user)) if self.value() == "me" else queryset


@admin.register(Case)
class CaseAdmin(PerSystemAdmin):
    """Raised from a contact's page; read, commented and solved here."""

    list_display = ("pk",)
    list_filter = (StateFilter, RaisedByFilter)
    search_fields = ("pk",)  # what the box finds is get_search_results' business
    search_help_text = "Case number, GroupID or title"
    sortable_by = ()
    ordering = ("-pk",)
    change_list_template = "admin/contacts/case/change_list.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        cases = super().get_queryset(request).select_related("by", "request")
        return cases.annotate(comments_count=Count("comments"))

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[QuerySet, bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        found = Q(title__icontains=term)
        if number := sent_id(term):
            found |= Q(pk=number) | Q(group_id=number)
        return queryset.filter(found), False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A case is raised from the page of its contact."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path(
                "<path:object_id>/comment/",
                view(require_POST(self.comment_view)),
                name="contacts_case_comment",
            ),
            path("<path:object_id>/send/", view(require_POST(self.send_view)), name="contacts_case_send"),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {"title": "Cases", "is_fullwidth": "1", "tones": TONES, "kept_here": KEPT_HERE}
        return super().changelist_view(request, context | (extra_context or {}))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The case with its facts; 404 for one of which the user may not see every ref."""
        case = self._case(request, object_id)
        if request.method not in ("GET", "HEAD"):
            raise PermissionDenied
        refused = request.session.pop(REFUSED, None)
        return self._page(request, case, refusal=refused[1] if refused and refused[0] == case.pk else "")

    def comment_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Write to the case, or put it into another state."""
        case = self._case(request, object_id)
        text, state = sent_text(request.POST.get("text", "")), request.POST.get("state", case.state)
        try:
            comment(case, text=text, state=state, by=cast("User", request.user), now=timezone.now())
        except MayNotRaise as refusal:
            raise PermissionDenied from refusal
        except CannotRaise as refusal:
            request.session[REFUSED] = [case.pk, str(refusal)]  # told at the field, on the page of the case
        return redirect("admin:contacts_case_change", case.pk)

    def send_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Have the service desk told of it now."""
        case = self._case(request, object_id)
        try:
            send_case(case, by=cast("User", request.user))
        except MayNotRaise as refusal:
            raise PermissionDenied from refusal
        except CannotRaise as refusal:
            self.message_user(request, str(refusal), messages.WARNING)
        else:
            self.message_user(request, "It goes to the service desk within minutes.", messages.SUCCESS)
        return redirect("admin:contacts_case_change", case.pk)

    def _page(self, request: HttpRequest, case: Case, *, refusal: str = "") -> TemplateResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"Case {case.pk}",
            "crumbs": [("Cases", reverse(CHANGELIST)), (f"Case {case.pk}", "")],
            "is_fullwidth": "1",
            "case": case,
            "tone": TONES[Case.State(case.state)],
            "facts": facts_shown(case),
            "comments": list(case.comments.select_related("by").order_by("at", "pk")),
            "states": Case.State.choices,
            "may_handle": request.user.has_perm(MAY_HANDLE),
            "service_desk": organisation_of(request).service_desk,
            "kept_here": KEPT_HERE,
            "refusal": refusal,
        }
        return TemplateResponse(request, "contacts/cases/case.html", context)

    def _case(self, request: HttpRequest, object_id: str) -> Case:
        return row_at(self, request, object_id)


def raise_case_view(model_admin: Any, request: HttpRequest, group_id: int) -> HttpResponse:
    """A case about this contact: what is known goes with it; POST keeps it and has the service desk told."""
    user = cast("User", request.user)
    if not (model_admin.has_view_permission(request) and user.has_perm(MAY_RAISE)):
        raise PermissionDenied
    contact = Contact.objects.visible_to(user).filter(pk=min(group_id, 2**63 - 1)).first()
    if contact is None:
        raise Http404
    back = came_back(contact, user=user)
    title, text = (sent_text(request.POST.get(name, "")) for name in ("title", "text"))
    refusal = ""
    if request.method == "POST":
        try:
            case = raise_case(
                contact,
                title=title,
                text=text,
                by=user,
                now=timezone.now(),
                request=_request(request, contact, user) or (back.request if back else None),
            )
        except MayNotRaise as why:
            raise PermissionDenied from why
        except CannotRaise as why:
            refusal = str(why)
        else:
            messages.success(request, f"Case {case.pk} is raised. {case.mail_error or _GOES}")
            return redirect("admin:contacts_case_change", case.pk)
    page = reverse("admin:contacts_contact_change", args=[contact.pk])
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": Contact._meta,
        "title": f"Raise a case: {contact.pk}",
        "crumbs": [
            ("Contacts", reverse("admin:contacts_contact_changelist")),
            (str(contact.pk), page),
            ("Raise a case", ""),
        ],
        "contact": contact,
        "came_back": back,
        "how": how_it_came_back(back) if back else "",
        "case_title": title or (CAME_BACK if back else ""),
        "longest_title": LONGEST_TITLE,
        "text": text,
        "refusal": refusal,
        "service_desk": organisation_of(request).service_desk,
    }
    return TemplateResponse(request, "contacts/cases/raise.html", context, status=409 if refusal else 200)


_GOES = "The service desk is told within minutes."


def _request(request: HttpRequest, contact: Contact, user: "User") -> GroupRequest | None:
    """The request that the case is about, if the address or the form names one of this contact."""
    number = sent_id(request.POST.get("request", ""))
    return GroupRequest.objects.visible_to(user).concerning(contact).filter(pk=number).first()

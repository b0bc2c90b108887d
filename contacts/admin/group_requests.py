"""Requests: what the coming night is asked to do to the groups, and what became of what it was asked."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.admin import SimpleListFilter
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, Model, OuterRef, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from contacts.admin.list_actions import ActsOnRows, ListAction
from contacts.admin.request_orders import ORDERS, carry_out_all, offered_orders, say
from contacts.admin.sent_ids import sent_id
from contacts.admin.signed_in import user_of
from contacts.admin_access import PerSystemAdmin, PerSystemChangeList, organisation_of
from contacts.models import Contact, GroupChange, GroupRequest, RequestRef
from contacts.next_night import next_night_in_words
from contacts.request_names import with_names
from contacts.request_words import RequestInWords, request_in_words
from contacts.services.group_requests import WHY_NOT, CannotRequest, MayNotRequest, may_group

Kind, State = GroupRequest.Kind, GroupRequest.State


class StateFilter(SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "open"), *((state.value, str(state.label)) for state in State)]

    def queryset(self, request: HttpRequest, queryset: Any) -> QuerySet:
        if self.value() == "open":
            return queryset.open()
        return queryset.filter(state=self.value()) if self.value() in State.values else queryset


class KindFilter(SimpleListFilter):
    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(kind.value, str(kind.label)) for kind in Kind]

    def queryset(self, request: HttpRequest, queryset: Any) -> QuerySet:
        return queryset.filter(kind=self.value()) if self.value() in Kind.values else queryset


class MineFilter(SimpleListFilter):
    title = "by"
    parameter_name = "by"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("me", "me"), ("others", "others")]

    def queryset(self, request: HttpRequest, queryset: Any) -> QuerySet:
        if self.value() == "me":
            return queryset.filter(by=request.user.pk)
        return queryset.exclude(by=request.user.pk) if self.value() == "others" else queryset


class RequestList(PerSystemChangeList):
    """The page's requests in words; a few queries for their refs and names, whatever their number."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        words = [request_in_words(one) for one in self.result_list]
        self.rows: Sequence[RequestInWords] = with_names(words, user_of(request))

    def rows_with(self, ids: Sequence[int]) -> list[GroupRequest]:
        rows = GroupRequest.objects.filter(pk__in=ids).select_related("by", "held_by", "settled_by")
        found = {row.pk: row for row in rows.prefetch_related("refs__system_ref__system")}
        return [found[pk] for pk in ids if pk in found]


@admin.register(GroupRequest)
class GroupRequestAdmin(ActsOnRows, PerSystemAdmin):
    """Read by whoever may see every ref of a request; withdrawn, held and let go by whoever may group."""

    list_display = ("number",)
    list_filter = (StateFilter, KindFilter, MineFilter)
    search_fields = ("group_id",)
    search_help_text = "GroupID or System Ref"
    row_called, rows_called = "request", "requests"
    sortable_by = ()
    ordering = ("-pk",)
    change_list_template = "contacts/grouping/requests.html"
    list_actions = [
        ListAction(order.name, order.title_of_many, carry_out_all(order), may_group, WHY_NOT)
        for order in ORDERS
        if order.title_of_many
    ]

    @admin.display(description="request")
    def number(self, request: GroupRequest) -> int:
        return request.pk

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[RequestList]:
        return RequestList

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[QuerySet, bool]:
        """Requests filed about this GroupID, or about a ref that stands in it now, or is called so."""
        asked = search_term.strip()
        if not asked:
            return queryset, False
        about = Q(system_ref__system_ref__iexact=asked)
        if number := sent_id(asked):
            about |= Q(group_id=number) | Q(system_ref__mapping__contact=number)
        return queryset.filter(Exists(RequestRef.objects.filter(about, request=OuterRef("pk")))), False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        steer = self.admin_site.admin_view(self.steer_view)
        return [
            path("<int:request_id>/steer/", steer, name="contacts_grouprequest_steer"),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        night = next_night_in_words(organisation_of(request), now=timezone.now())
        context = {
            "title": "Requests",
            "crumbs": [("Requests", "")],
            "is_fullwidth": "1",
            "night": night,
            **(extra_context or {}),
        }
        return super().changelist_view(request, context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """What was asked, by whom, and how it stands; 403 for any attempt to write."""
        asked = self._asked(request, object_id)
        if request.method not in ("GET", "HEAD"):
            raise PermissionDenied
        return self._page(request, asked)

    def steer_view(self, request: HttpRequest, request_id: int) -> HttpResponse:
        """Withdraw, hold, let go or process a request; then back to where it was pressed."""
        asked = self._asked(request, str(request_id))
        order = next((one for one in ORDERS if one.name == request.POST.get("do", "")), None)
        if request.method != "POST" or order is None or not order.may(request.user):
            raise PermissionDenied
        try:
            settled = order.carry_out(asked, by=request.user, now=timezone.now())
        except MayNotRequest as refusal:
            raise PermissionDenied from refusal
        except CannotRequest as refusal:
            messages.warning(request, str(refusal))
        else:
            say(request, settled, night=next_night_in_words(organisation_of(request), now=timezone.now()))
        return redirect(self._back(request, asked))

    def _asked(self, request: HttpRequest, object_id: str) -> GroupRequest:
        """403 without the role's permission, 404 where the request is not seen."""
        if not (self.has_view_permission(request) or may_group(user_of(request))):
            raise PermissionDenied
        rows = self.get_queryset(request).select_related("by", "held_by", "settled_by")
        rows = rows.prefetch_related("refs__system_ref__system", "refs__system_ref__mapping")
        found = rows.filter(pk=sent_id(object_id)).first()
        if found is None:
            raise Http404
        return found

    def _page(self, request: HttpRequest, asked: GroupRequest) -> HttpResponse:
        # More refs may have taken part in a change than the request was filed about.
        seen = GroupChange.objects.visible_to(request.user)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "is_fullwidth": "1",
            "crumbs": [
                ("Requests", reverse("admin:contacts_grouprequest_changelist")),
                (f"Request {asked.pk}", ""),
            ],
            "words": with_names([request_in_words(asked)], user_of(request))[0],
            "refs": sorted(asked.refs.all(), key=lambda one: (one.part, one.group_id, one.pk)),
            "orders": offered_orders(asked, request.user),
            "change": seen.filter(request=asked).first(),
            "undoes": seen.filter(pk=asked.undoes_id).first(),
            "may_undo": may_group(user_of(request)),
            "again": _again(asked),
            "night": next_night_in_words(organisation_of(request), now=timezone.now()),
        }
        return TemplateResponse(request, "contacts/grouping/request.html", context)

    def _back(self, request: HttpRequest, asked: GroupRequest) -> str:
        """To the contact whose page it was pressed on, if it is seen, else to the request."""
        back = sent_id(request.POST.get("back", ""))
        if back and Contact.objects.visible_to(request.user).filter(pk=back).exists():
            return reverse("admin:contacts_contact_change", args=[back])
        return reverse("admin:contacts_grouprequest_change", args=[asked.pk])


def _again(asked: GroupRequest) -> str:
    """Where the same is asked for anew; blank while it is open, once it is done, and for what is gone."""
    if asked.state not in (State.WITHDRAWN, State.FAILED) or asked.kind == Kind.UNDO:
        return ""
    if not Contact.objects.filter(pk=asked.group_id).exists():
        return ""
    screen = reverse(f"admin:contacts_contact_{asked.kind}", args=[asked.group_id])
    children = [("with", number) for number in request_in_words(asked).children]
    return f"{screen}?{urlencode(children)}" if children else screen

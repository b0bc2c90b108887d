"""Changes of groups: the list, the readable record of one, and asking for its undo."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, Model, OuterRef, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from contacts.admin.change_record import change_record, undoing
from contacts.admin.contact_grouping import say_filed
from contacts.admin.sent_ids import row_at, sent_id, sent_text
from contacts.admin.signed_in import user_of
from contacts.admin_access import PerSystemAdmin, PerSystemChangeList, organisation_of
from contacts.change_names import named
from contacts.change_words import ChangeLine, is_undo, lines_of
from contacts.models import GroupChange, GroupRequest, Move
from contacts.next_night import next_night_in_words
from contacts.services.group_requests import (
    WHY_NOT,
    CannotRequest,
    MayNotRequest,
    file_undo,
    may_group,
    may_process,
)
from contacts.services.group_requests_applied import process_now

CHANGELIST = "admin:contacts_groupchange_changelist"


class ChangeKindFilter(admin.SimpleListFilter):
    title = "what"
    parameter_name = "what"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("joined", "joined"), ("split", "split")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() == "joined":
            return queryset.filter(is_join=True)
        return queryset.filter(is_split=True) if self.value() == "split" else queryset


class ByFilter(admin.SimpleListFilter):
    title = "by"
    parameter_name = "by"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("hand", "by hand"), ("rule", "by rule")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() == "hand":
            return queryset.exclude(request=None)
        return queryset.filter(request=None) if self.value() == "rule" else queryset


class UndoneFilter(admin.SimpleListFilter):
    title = "stands"
    parameter_name = "stands"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "standing"), ("no", "undone")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() == "yes":
            return queryset.filter(undone_by=None)
        return queryset.exclude(undone_by=None) if self.value() == "no" else queryset


class ChangeList(PerSystemChangeList):
    """The page's changes as lines."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        lines = lines_of(GroupChange.objects.filter(pk__in=self.page.ids), user=request.user)
        found = {line.change.pk: line for line in lines}
        self.lines = named([found[pk] for pk in self.page.ids if pk in found], user_of(request))


@admin.register(GroupChange)
class GroupChangeAdmin(PerSystemAdmin):
    """Written by the night and by requests; read, and undone, here."""

    list_display = ("pk",)
    list_filter = (ChangeKindFilter, ByFilter, UndoneFilter)
    search_fields = ("pk",)  # what the box finds is get_search_results' business
    search_help_text = "GroupID"
    sortable_by = ()
    ordering = ("-pk",)
    change_list_template = "admin/contacts/groupchange/change_list.html"

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return ChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[QuerySet, bool]:
        """Changes in which a ref left this GroupID or came to it."""
        term = search_term.strip()
        if not term:
            return queryset, False
        number = sent_id(term)
        if not number:
            return queryset.none(), False
        moves = Move.objects.filter(change=OuterRef("pk"))
        at_group = moves.filter(Q(from_group=number) | Q(to_group=number))
        return queryset.filter(Exists(at_group)), False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        undo = require_http_methods(["GET", "HEAD", "POST"])(self.undo_view)
        return [
            path(
                "<path:object_id>/undo/",
                self.admin_site.admin_view(undo),
                name="contacts_groupchange_undo",
            ),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {
            "title": "Changes of groups",
            "is_fullwidth": "1",
            "may_group": may_group(user_of(request)),
        }
        return super().changelist_view(request, context | (extra_context or {}))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The record; 404 for one of which the user may not see every ref, 403 for any attempt to write."""
        change = self._change(request, object_id)
        if request.method not in ("GET", "HEAD"):
            raise PermissionDenied
        [line] = named(
            lines_of(GroupChange.objects.filter(pk=change.pk), user=request.user), user_of(request)
        )
        country = organisation_of(request).default_country
        context = {
            **self._context(request, change),
            "line": line,
            "waits": _waits(request, line),
            "reads_requests": _may_read(request, line.change.request),
            "record": change_record(line.change, user=user_of(request), country=country),
            "may_group": may_group(user_of(request)),
            "why_not": WHY_NOT,
        }
        return TemplateResponse(request, "contacts/changes/record.html", context)

    def undo_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """What undoing it comes to, with the question about later nights; POST asks the night for it."""
        change = self._change(request, object_id)
        if not may_group(user_of(request)):
            raise PermissionDenied
        refusal, status = "", 200
        if request.method == "POST":
            try:
                return self._file(request, change)
            except CannotRequest as why:
                refusal, status = str(why), 403 if isinstance(why, MayNotRequest) else 409
        [line] = lines_of(GroupChange.objects.filter(pk=change.pk), user=request.user)
        context = {
            **self._context(request, change),
            "crumbs": [
                ("Changes of groups", reverse(CHANGELIST)),
                (f"Change {change.pk}", reverse("admin:contacts_groupchange_change", args=[change.pk])),
                ("Undo", ""),
            ],
            "line": line,
            "waits": _waits(request, line),
            "undoing": undoing(change, user=user_of(request)),
            "is_settled": change.undone_by_id is not None or is_undo(line.change),
            "refusal": refusal,
            "reason": request.POST.get("reason", "")[:300],
            "may_regroup": request.POST.get("may_regroup") == "yes",
            "may_process": may_process(user_of(request)),
            "night": next_night_in_words(organisation_of(request), now=timezone.now()),
        }
        return TemplateResponse(request, "contacts/changes/undo.html", context, status=status)

    def _file(self, request: HttpRequest, change: GroupChange) -> HttpResponse:
        now = timezone.now()
        filed = file_undo(
            change,
            by=user_of(request),
            now=now,
            may_regroup=request.POST.get("may_regroup") == "yes",
            reason=sent_text(request.POST.get("reason", "")),
        )
        if "now" in request.POST and may_process(user_of(request)):
            done = process_now(filed, by=user_of(request), now=now)
            if done.state == GroupRequest.State.DONE:
                self.message_user(request, f"Change {change.pk} is undone.", messages.SUCCESS)
            else:
                self.message_user(
                    request, f"Request {filed.pk} failed: {done.outcome or done.state}", messages.ERROR
                )
        else:
            say_filed(request, filed)
        return redirect("admin:contacts_groupchange_change", change.pk)

    def _change(self, request: HttpRequest, object_id: str) -> GroupChange:
        return row_at(self, request, object_id)

    def _context(self, request: HttpRequest, change: GroupChange) -> dict[str, Any]:
        crumbs = [("Changes of groups", reverse(CHANGELIST)), (f"Change {change.pk}", "")]
        return {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"Change {change.pk}",
            "crumbs": crumbs,
            "is_fullwidth": "1",
        }


def _may_read(request: HttpRequest, asked: GroupRequest | None) -> bool:
    """Whether the page of this request opens to the user."""
    user = user_of(request)
    if asked is None or not (user.has_perm("contacts.view_grouprequest") or may_group(user)):
        return False
    return GroupRequest.objects.visible_to(user).filter(pk=asked.pk).exists()


def _waits(request: HttpRequest, line: ChangeLine) -> dict[str, Any] | None:
    """Of the open request to undo it, when it is carried out and whether the user may withdraw it."""
    asked = line.open_undo
    if asked is None or not _may_read(request, asked):
        return None
    is_waiting = asked.state == GroupRequest.State.WAITING
    night = next_night_in_words(organisation_of(request), now=timezone.now())
    return {"night": night if is_waiting else "", "may_withdraw": may_group(user_of(request))}

"""PerSystemAdmin: shows and edits only the rows that the user's rights on ticket systems allow."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.admin import SimpleListFilter
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import PAGE_VAR
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from unfold.admin import ModelAdmin
from unfold.views import ChangeList

from contacts.list_pages import (
    AFTER,
    BEFORE,
    END,
    PLACES,
    CappedPaginator,
    ListPages,
    NoSuchPage,
    Order,
    Page,
    numbers_around,
)
from contacts.models import Organisation
from contacts.permissions import SystemRight, systems_of


def organisation_of(request: HttpRequest) -> Organisation:
    """The organisation; the middleware has loaded it for people who are signed in."""
    return getattr(request, "organisation", None) or Organisation.load()


@dataclass(frozen=True)
class PageNumber:
    """A number under a list; without an address it is the current page or a gap."""

    title: str
    address: str = ""
    is_current: bool = False


@dataclass(frozen=True)
class Choice:
    """One thing to choose in the tools over a list: a value of the filter's parameter."""

    value: str
    label: str
    is_chosen: bool


@dataclass(frozen=True)
class Tool:
    """A filter as a select. Without a name its values are addresses."""

    title: str
    name: str
    choices: list[Choice]
    is_set: bool


class PerSystemChangeList(ChangeList):
    """Pages by contacts.list_pages; sorts by one of the columns declared sortable only.

    The stock list obeys any number in the address.
    """

    pages: ListPages
    page: Page

    def get_results(self, request: HttpRequest) -> None:
        for name in PLACES:  # what is asked for now; links to other pages and orders must not carry it on
            self.params.pop(name, None)
            self.filter_params.pop(name, None)
        self.pages = ListPages(
            self.queryset,
            self.order,
            per_page=self.list_per_page,
            first=self.ids_shown_first(),
            surely_long=self.is_surely_long(),
        )
        try:
            self.page = self.pages.page(request.GET)
        except NoSuchPage:
            raise IncorrectLookupParameters from None
        self.result_list: list[Any] = self.rows_with(self.page.ids)
        # Nothing but what is visible exists.
        self.result_count = self.full_result_count = self.pages.count
        self.page_num = self.page.number or 0
        self.multi_page = self.page.has_before or self.page.has_after
        self.show_all = self.can_show_all = self.show_full_result_count = False
        self.show_admin_actions = True
        self.paginator = self.model_admin.get_paginator(request, self.queryset, self.list_per_page)

    def ids_shown_first(self) -> Sequence[int]:
        """Ids among the rows that stand before all others."""
        return ()

    def is_surely_long(self) -> bool:
        """Whether there are more rows than are counted, where that is cheaper to say than to look."""
        return False

    def rows_with(self, ids: Sequence[int]) -> list[Any]:
        """The rows of a page, in its order; one that went in the meantime is left out."""
        rows = self.apply_select_related(self.root_queryset).order_by()
        found = {row.pk: row for row in rows.filter(pk__in=ids)} if ids else {}
        return [found[pk] for pk in ids if pk in found]

    def get_filters_params(self, params: Any = None) -> Any:
        asked = super().get_filters_params(params)
        return {name: value for name, value in asked.items() if name not in PLACES}

    def get_ordering(self, request: HttpRequest, queryset: QuerySet) -> list[Any]:
        self.order = Order.of(super().get_ordering(request, queryset)[0])
        return self.order.by()

    def get_ordering_field(self, field_name: str) -> Any:
        if self.sortable_by is not None and field_name not in self.sortable_by:
            return None
        return super().get_ordering_field(field_name)

    def tools(self) -> list[Tool]:
        """The filters, for partials/list_tools.html."""
        return [self._tool(spec) for spec in self.filter_specs]

    def _tool(self, spec: Any) -> Tool:
        if isinstance(spec, SimpleListFilter):
            chosen = spec.value()
            choices = [Choice(str(v), str(label), str(v) == chosen) for v, label in spec.lookup_choices]
            return Tool(str(spec.title), spec.parameter_name or "", choices, bool(chosen))
        found = list(spec.choices(self))
        choices = [Choice(c["query_string"], str(c["display"]), bool(c["selected"])) for c in found]
        return Tool(str(spec.title), "", choices, not choices[0].is_chosen)

    @property
    def shown_count(self) -> str:
        """How many rows, as people read it."""
        return self.pages.shown_count

    def page_numbers(self) -> list[PageNumber]:
        """What to turn pages with, for partials/pages.html: by number as far as rows are counted."""
        page, pages = self.page, self.pages
        shown = [self._to(page.has_before, "First", {}), self._to_neighbour("Previous", BEFORE, -1)]
        shown += [self._number(number) for number in numbers_around(page.number, pages.numbered)]
        if page.number and page.number > pages.numbered:
            shown.append(PageNumber(f"{page.number:,}", is_current=True))
        shown += [self._to_neighbour("Next", AFTER, 1), self._to(page.has_after, "Last", {END: "1"})]
        return [number for number in shown if number]

    def _number(self, number: int) -> PageNumber:
        if number == self.page.number:
            return PageNumber(f"{number:,}", is_current=True)
        return PageNumber(f"{number:,}", self.get_query_string({PAGE_VAR: number}))

    def _to_neighbour(self, title: str, place: str, step: int) -> PageNumber | None:
        page = self.page
        asked: dict[str, Any] = {place: page.ids[-1 if step > 0 else 0]} if page.ids else {}
        if page.number:
            asked[PAGE_VAR] = max(page.number + step, 1)
        return self._to(page.has_after if step > 0 else page.has_before, title, asked)

    def _to(self, is_there: bool, title: str, asked: dict[str, Any]) -> PageNumber | None:
        return PageNumber(title, self.get_query_string(asked)) if is_there else None


class VisibleSystemFilter(SimpleListFilter):
    """By ticket system, offering only visible ones. `path` leads from the row to the system."""

    title = "ticket system"
    parameter_name = "system"
    path = "system"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(system.code, str(system)) for system in systems_of(request.user)]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if not self.value():  # absent, or "any" in a form that was sent
            return queryset
        chosen = [system.pk for system in systems_of(request.user) if system.code == self.value()]
        return queryset.filter(**{f"{self.path}__in": chosen})


class PerSystemAdmin(ModelAdmin):
    """The base of every admin over per-system rows: System Refs, purchases, changes, jobs, and Contacts.

    The model's QuerySet must have `visible_to(user, right)`. Everything the admin does starts from
    `get_queryset`: lists, counts, pages, history, autocomplete, actions, export. A row that the user may not
    see is absent: 404, word for word. One that they may see but not change is shown read-only and a POST of
    it is refused with 403. Addresses may filter by the declared filters and sort by the declared columns
    only, so that no lookup can feel its way to a hidden value. Rows are deleted by services, never here.
    """

    list_per_page = 50
    list_max_show_all = 0
    show_full_result_count = False
    paginator = CappedPaginator
    change_list_template = "admin/per_system_list.html"
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        rows: Any = super().get_queryset(request)
        return rows.visible_to(request.user)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return PerSystemChangeList

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The list only shows: it has no actions and no fields, so whatever is sent to it is forged."""
        if request.method not in ("GET", "HEAD"):
            raise PermissionDenied
        return super().changelist_view(request, extra_context)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """The role's permission and, of a row, CHANGE on its system; asked once per request and row."""
        if not super().has_change_permission(request, obj):
            return False
        if obj is None or obj.pk is None:
            return True
        known = request.__dict__.setdefault("_may_change", {})
        if obj not in known:
            rows: Any = self.get_queryset(request)
            changeable = rows.visible_to(request.user, SystemRight.CHANGE)
            known[obj] = changeable.filter(pk=obj.pk).exists()
        return known[obj]

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """Only what a declared filter asks for."""
        for entry in self.list_filter:
            if isinstance(entry, type) and issubclass(entry, SimpleListFilter):
                if lookup == entry.parameter_name:
                    return True
                continue
            name = entry if isinstance(entry, str) else entry[0]
            if lookup == name or lookup.startswith(f"{name}__"):
                return True
        return False

    def _get_obj_does_not_exist_redirect(
        self, request: HttpRequest, opts: Any, object_id: str
    ) -> HttpResponse:
        raise Http404

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        if self.get_object(request, unquote(object_id)) is None:
            raise Http404
        return super().delete_view(request, object_id, extra_context)

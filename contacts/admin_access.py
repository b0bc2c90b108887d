"""PerSystemAdmin: shows and edits only the rows that the user's rights on ticket systems allow."""

from dataclasses import dataclass
from typing import Any

from django.contrib.admin import SimpleListFilter
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import PAGE_VAR
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.functional import cached_property
from unfold.admin import ModelAdmin
from unfold.views import ChangeList

from contacts.models import Organisation, TicketSystem
from contacts.permissions import SystemRight

COUNTED_UP_TO = 10_000


def organisation_of(request: HttpRequest) -> Organisation:
    """The organisation; the middleware has loaded it for people who are signed in."""
    return getattr(request, "organisation", None) or Organisation.load()


class CappedPaginator(Paginator):
    """Counts up to COUNTED_UP_TO rows: counting a million for one page costs more than the page."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return rows.order_by()[: COUNTED_UP_TO + 1].count()

    @property
    def shown_count(self) -> str:
        """The count as people read it: 1,204 or 10,000+."""
        return f"{COUNTED_UP_TO:,}+" if self.count > COUNTED_UP_TO else f"{self.count:,}"


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
    """Sorts by the columns declared sortable only; the stock list obeys any number in the address."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.full_result_count = self.result_count  # nothing but what is visible exists

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

    def page_numbers(self) -> list[PageNumber]:
        """The numbers to turn pages with, for partials/pages.html."""
        pages = self.paginator.get_elided_page_range(self.page_num, on_each_side=2, on_ends=1)
        return [self._page_number(page) for page in pages]

    def _page_number(self, page: int | str) -> PageNumber:
        if page == self.page_num or not isinstance(page, int):
            return PageNumber(str(page), is_current=page == self.page_num)
        return PageNumber(str(page), self.get_query_string({PAGE_VAR: page}))


class VisibleSystemFilter(SimpleListFilter):
    """By ticket system, offering only visible ones. `path` leads from the row to the system."""

    title = "ticket system"
    parameter_name = "system"
    path = "system"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        systems = TicketSystem.objects.visible_to(request.user).order_by("rank", "code")
        return [(system.code, str(system)) for system in systems]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if not self.value():  # absent, or "any" in a form that was sent
            return queryset
        return queryset.filter(**{f"{self.path}__code": self.value()})


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

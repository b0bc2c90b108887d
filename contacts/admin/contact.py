"""Contacts: the list with its search and filters, the page of one person, entry by hand."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import ORDER_VAR, PAGE_VAR
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from contacts import list_pages
from contacts.admin.cases import raise_case_view
from contacts.admin.contact_actions import ACTIONS
from contacts.admin.contact_entry import EntryForm, is_confirmed
from contacts.admin.contact_filters import (
    BoughtFilter,
    EmailFilter,
    OwnerFilter,
    SystemFilter,
    SystemsCountFilter,
    UnitFilter,
)
from contacts.admin.contact_grouping import group_view
from contacts.admin.contact_parting import split_view, ungroup_view
from contacts.admin.list_actions import ActsOnRows
from contacts.admin.shared_values import SharedValuesScreen
from contacts.admin.why_not import WhyNotScreen
from contacts.admin_access import PerSystemChangeList, organisation_of
from contacts.admin_files import ExportingAdmin
from contacts.contact_page import show
from contacts.contact_page.retired import where_it_went
from contacts.models import Contact, TicketSystem
from contacts.permissions import sees_every_system
from contacts.resources import ContactResource
from contacts.services.exports import ContactLine, contact_lines
from contacts.services.golden import golden_of
from contacts.services.hand_entry import hand_systems_of

_STORED = ("first_name", "last_name", "email", "phone", "mobile", "city", "postcode")


@dataclass(frozen=True)
class Row:
    """One line of the list, over the refs that the user may see."""

    contact: Contact
    values: Mapping[str, str]
    badges: Sequence[tuple[TicketSystem, str]]
    refs: int
    spent: Decimal
    last_purchased_at: datetime | None
    holds_season_ticket: bool

    @property
    def name(self) -> str:
        return f"{self.values.get('first_name', '')} {self.values.get('last_name', '')}".strip()

    @property
    def phone(self) -> str:
        return self.values.get("phone") or self.values.get("mobile", "")


@dataclass(frozen=True)
class Column:
    """A heading; `address` sorts by it, `sorted` says how it is sorted now."""

    title: str
    css: str = ""
    address: str = ""
    sorted: str = ""


class ContactList(PerSystemChangeList):
    """The page's rows with what this user may see of them."""

    def get_results(self, request: HttpRequest) -> None:
        self.user = request.user
        super().get_results(request)
        sees_all = sees_every_system(self.user)
        self.rows = [_row(contact, sees_all=sees_all) for contact in self.result_list]

    def ids_shown_first(self) -> Sequence[int]:
        """Whoever has the searched text for a GroupID or System Ref, while nothing else is asked for."""
        if not self.query.strip() or ORDER_VAR in self.params:
            return ()
        rows: Any = self.queryset
        return sorted(rows.exactly(self.query, self.user).values_list("pk", flat=True), reverse=True)

    def is_surely_long(self) -> bool:
        """Of the whole list of those who do not see every system; whoever does has an estimate."""
        if self.query.strip() or self.has_active_filters or sees_every_system(self.user):
            return False
        return Contact.objects.surely_more_than(list_pages.COUNTED_UP_TO, self.user)

    def rows_with(self, ids: Sequence[int]) -> list[Contact]:
        """Of those who see every system the stored values; anyone else's are made from their refs."""
        if sees_every_system(self.user):
            rows: Sequence[Contact] = super().rows_with(ids)
        else:
            rows = [Contact(pk=pk) for pk in ids]
        return Contact.objects.load_visible_refs(rows, self.user)

    def columns(self) -> list[Column]:
        return [self._column(number, name) for number, name in enumerate(self.list_display)]

    def _column(self, number: int, name: str) -> Column:
        shown = getattr(self.model_admin, name)
        title, css = shown.short_description, "k-num" if name in ("spent", "last_purchase") else ""
        if not self.get_ordering_field(name):
            return Column(title, css)
        direction = self.get_ordering_field_columns().get(number, "")
        address = self.get_query_string(
            {ORDER_VAR: f"-{number}" if direction == "asc" else str(number)}, [PAGE_VAR]
        )
        return Column(title, css, address, {"asc": "ascending", "desc": "descending"}.get(direction, ""))


@admin.register(Contact)
class ContactAdmin(ActsOnRows, WhyNotScreen, SharedValuesScreen, ExportingAdmin):
    """Golden values are nobody's to edit here: every value belongs to a System Ref.

    Screens of one contact that another file holds are added by `SCREENS`: the end of the address, the view.
    """

    SCREENS = (
        ("group", group_view),
        ("ungroup", ungroup_view),
        ("split", split_view),
        ("raise-case", raise_case_view),
    )
    list_actions = ACTIONS
    resource_classes = (ContactResource,)
    list_display = ("group_id", "name", "email", "phone", "city", "systems", "spent", "last_purchase")
    list_filter = (SystemFilter, SystemsCountFilter, EmailFilter, BoughtFilter, UnitFilter, OwnerFilter)
    search_fields = ("pk",)  # turns the search box on; what it finds is ContactQuerySet.search's business
    ordering = ("-pk",)
    change_list_template = "admin/contacts/contact/change_list.html"

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ContactList]:
        return ContactList

    def get_urls(self) -> list[URLPattern]:
        return [
            *(
                path(
                    f"<int:group_id>/{name}/",
                    self.admin_site.admin_view(partial(view, self)),
                    name=f"contacts_contact_{name.replace('-', '_')}",
                )
                for name, view in self.SCREENS
            ),
            *super().get_urls(),
        ]

    def get_sortable_by(self, request: HttpRequest) -> Sequence[str]:
        """Stored values serve those who see every system; the order would betray them to anyone else."""
        if sees_every_system(request.user):
            return ("group_id", "name", "email", "city")
        return ("group_id",)

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[QuerySet, bool]:
        if not search_term.strip():
            return queryset, False
        country = organisation_of(request).default_country
        return queryset.search_at_once(search_term, request.user, default_country=country), False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        organisation = organisation_of(request)
        context = {"currency": organisation.currency, "is_fullwidth": "1", **(extra_context or {})}
        return super().changelist_view(request, context)

    def export_rows(self, request: HttpRequest, queryset: Any) -> Iterator[ContactLine]:
        return contact_lines(queryset, user=request.user)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """The role's permission, and a hand system whose records the user may change."""
        if not super().has_add_permission(request):
            return False
        known = request.__dict__
        if "_may_enter" not in known:
            known["_may_enter"] = bool(hand_systems_of(request.user))
        return known["_may_enter"]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """A contact by hand; an e-mail that others have is saved on the second, knowing click (R-DOO-14)."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = EntryForm(request.POST or None, user=request.user)
        if form.names_a_unit_not_offered():
            raise Http404
        notice = ""
        if request.method == "POST" and form.is_valid():
            notice = "" if is_confirmed(request, form) else form.notice()
            entered = None if notice else form.enter(now=timezone.now())
            if entered:
                self.message_user(request, f"GroupID {entered.contact.pk} was made.", messages.SUCCESS)
                return redirect("admin:contacts_contact_change", entered.contact.pk)
        context = {**self.admin_site.each_context(request), "opts": self.opts, "is_fullwidth": "1"}
        crumbs = [("Contacts", reverse("admin:contacts_contact_changelist")), ("Add", "")]
        context |= {"form": form, "notice": notice, "title": "Add contact", "crumbs": crumbs}
        return TemplateResponse(request, "contacts/add_contact.html", context)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The contact's page: 404 for an absent or invisible GroupID, 403 for any attempt to write.

        A retired GroupID leads to its successor, or to a choice of them.
        """
        if not self.has_view_permission(request):
            raise PermissionDenied
        contact = self.get_object(request, unquote(object_id))
        if contact is None:
            return self._where_it_went(request, unquote(object_id))
        if request.method not in ("GET", "HEAD"):
            raise PermissionDenied
        context = {**self.admin_site.each_context(request), "opts": self.opts, "is_fullwidth": "1"}
        return show(request, contact, context=context, now=timezone.now())

    def _where_it_went(self, request: HttpRequest, number: str) -> HttpResponse:
        """A GroupID that retired leads on, as under its lasting address; 404 for any other (R-CM-26)."""
        if request.method not in ("GET", "HEAD") or not (number.isdecimal() and number.isascii()):
            raise Http404
        return where_it_went(request, int(number[:20]))

    @admin.display(description="GroupID", ordering="pk")
    def group_id(self, contact: Contact) -> int:
        return contact.pk

    @admin.display(description="Name", ordering="last_name")
    def name(self, contact: Contact) -> str:
        return contact.full_name

    @admin.display(description="E-mail", ordering="email")
    def email(self, contact: Contact) -> str:
        return contact.email

    @admin.display(description="Phone")
    def phone(self, contact: Contact) -> str:
        return contact.phone or contact.mobile

    @admin.display(description="City", ordering="city")
    def city(self, contact: Contact) -> str:
        return contact.city

    @admin.display(description="Systems")
    def systems(self, contact: Contact) -> str:
        return ", ".join(system.code for system, _count in _badges(contact))

    @admin.display(description="Spent")
    def spent(self, contact: Any) -> Decimal:
        return sum((m.system_ref.spent_total for m in contact.visible_mappings), Decimal(0))

    @admin.display(description="Last purchase")
    def last_purchase(self, contact: Any) -> datetime | None:
        bought = [m.system_ref.last_purchased_at for m in contact.visible_mappings]
        return max(filter(None, bought), default=None)


def _row(contact: Any, *, sees_all: bool) -> Row:
    mappings = contact.visible_mappings
    if sees_all:
        values = {field: getattr(contact, field) for field in _STORED}
    else:
        values = {field: golden.value for field, golden in golden_of(mappings, contact.pins.all()).items()}
    refs = [mapping.system_ref for mapping in mappings]
    return Row(
        contact=contact,
        values=values,
        badges=_badges(contact),
        refs=len(refs),
        spent=sum((ref.spent_total for ref in refs), Decimal(0)),
        last_purchased_at=max((r.last_purchased_at for r in refs if r.last_purchased_at), default=None),
        holds_season_ticket=any(ref.holds_season_ticket for ref in refs),
    )


def _badges(contact: Any) -> list[tuple[TicketSystem, str]]:
    """Each visible system once, with the number of its refs where there are several."""
    counts = Counter(mapping.system_ref.system for mapping in contact.visible_mappings)
    in_order = sorted(counts.items(), key=lambda item: (item[0].rank, item[0].code))
    return [(system, f"×{count}" if count > 1 else "") for system, count in in_order]

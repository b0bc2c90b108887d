"""System Refs: read-only list and page; they are corrected in the Ticketing Data Manager."""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import Model, Subquery
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from contacts.admin_access import VisibleSystemFilter, organisation_of
from contacts.admin_files import ExportingAdmin
from contacts.models import Job, Organisation, RelatedName, SystemRef
from contacts.models.person_details import DETAIL_FIELDS, name_of
from contacts.models.system_ref import LAST_KNOWN_CHANGE, SystemRefQuerySet
from contacts.resources import SystemRefResource
from contacts.templatetags.kore import moment, money, system_badge

NAMES_SHOWN = 200


class PlacedFilter(admin.SimpleListFilter):
    title = "placed"
    parameter_name = "placed"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "in a contact"), ("no", "waiting for tonight")]

    def queryset(self, request: HttpRequest, queryset: Any) -> SystemRefQuerySet:
        if self.value() == "no":
            return queryset.unplaced()
        return queryset.exclude(mapping=None) if self.value() == "yes" else queryset


class AtSourceFilter(admin.SimpleListFilter):
    title = "at its source"
    parameter_name = "source"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("standing", "at its source"), ("gone", "gone at source")]

    def queryset(self, request: HttpRequest, queryset: Any) -> SystemRefQuerySet:
        if self.value() == "standing":
            return queryset.standing()
        return queryset.exclude(gone=None) if self.value() == "gone" else queryset


@admin.register(SystemRef)
class SystemRefAdmin(ExportingAdmin):
    """One record of one system, as that system tells it."""

    resource_classes = (SystemRefResource,)
    import_kind = Job.Kind.IMPORT_SYSTEM_REFS
    list_display = ("badge", "name", "email", "any_phone", "city", "group_id", "spent", "updated")
    list_display_links = ("badge", "name")
    list_filter = (VisibleSystemFilter, PlacedFilter, AtSourceFilter)
    list_select_related = ("system", "mapping")
    search_fields = ("search_text",)
    empty_value_display = "–"
    search_help_text = "Name, e-mail, phone, System Ref"
    ordering = ("-pk",)
    change_form_template = "admin/contacts/systemref/change_form.html"

    def get_queryset(self, request: HttpRequest) -> SystemRefQuerySet:
        currency = Organisation.objects.values("currency")[:1]
        return super().get_queryset(request).annotate(currency=Subquery(currency))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_sortable_by(self, request: HttpRequest) -> tuple[str, ...]:
        return ("name", "updated")

    def get_search_results(
        self, request: HttpRequest, queryset: SystemRefQuerySet, search_term: str
    ) -> tuple[SystemRefQuerySet, bool]:
        if not search_term.strip():
            return queryset, False
        return queryset.search(search_term, default_country=organisation_of(request).default_country), False

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The record's page; the template writes the values itself."""
        organisation = organisation_of(request)
        ref = self.get_object(request, object_id or "")
        shown = {
            "ref": ref,
            "details": _details(ref) if ref else [],
            "names": _names(ref, request) if ref else [],
            "most_names": NAMES_SHOWN,
            "currency": organisation.currency,
            "night_at": organisation.night_at,
            "is_fullwidth": "1",
            "crumbs": [("System Refs", reverse("admin:contacts_systemref_changelist")), (str(ref), "")],
        }
        return super().changeform_view(request, object_id, form_url, shown | (extra_context or {}))

    def get_fields(self, request: HttpRequest, obj: SystemRef | None = None) -> tuple[str, ...]:
        return ()

    @admin.display(description="System Ref")
    def badge(self, ref: SystemRef) -> SafeString:
        return system_badge(ref.system, ref.system_ref)

    @admin.display(description="Name", ordering="last_name")
    def name(self, ref: SystemRef) -> str:
        return ref.full_name or "no name"

    @admin.display(description="Phone")
    def any_phone(self, ref: SystemRef) -> str:
        return ref.phone or ref.mobile or "–"

    @admin.display(description="GroupID")
    def group_id(self, ref: SystemRef) -> SafeString | str:
        mapping = getattr(ref, "mapping", None)
        if mapping is None:
            return "waiting for tonight"
        address = reverse("admin:contacts_contact_change", args=[mapping.contact_id])
        return format_html('<a class="k-link" href="{}">{}</a>', address, mapping.contact_id)

    @admin.display(description="Spent")
    def spent(self, ref: Any) -> str:
        return money(ref.spent_total, ref.currency) if ref.spent_total else "–"

    @admin.display(description="Updated there", ordering=LAST_KNOWN_CHANGE)
    def updated(self, ref: SystemRef) -> SafeString | str:
        return moment(ref.updated_at)


def _details(ref: SystemRef) -> list[tuple[str, str | datetime]]:
    """The filled details with their names, in the order of every screen."""
    names = ((name_of(field), field) for field in DETAIL_FIELDS)
    return [(name, value) for name, field in names if (value := getattr(ref, field))]


def _names(ref: SystemRef, request: HttpRequest) -> list[RelatedName]:
    names = RelatedName.objects.visible_to(request.user).filter(system_ref=ref)
    return list(names.order_by("last_name", "first_name", "pk")[:NAMES_SHOWN])

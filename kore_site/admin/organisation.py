"""The organisation's settings: one row, so its list leads straight to its form."""

import zoneinfo
from typing import Any

import pycountry
from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminSelect2Widget, UnfoldAdminTimeWidget

from contacts.models import Organisation, TicketSystem
from sync.services.schedules import plan_next_night


def _time_zones() -> list[tuple[str, str]]:
    return [(name, name.replace("_", " ")) for name in sorted(zoneinfo.available_timezones()) if "/" in name]


def _countries() -> list[tuple[str, str]]:
    named = [(country.alpha_2, f"{country.name} ({country.alpha_2})") for country in pycountry.countries]
    return sorted(named, key=lambda choice: choice[1])


def _currencies() -> list[tuple[str, str]]:
    return [(money.alpha_3, f"{money.alpha_3} {money.name}") for money in pycountry.currencies]


def _isolation_now(organisation: Organisation | None) -> str:
    """What isolation does now, as sentences; said to those who make and isolate systems."""
    isolated = TicketSystem.objects.filter(is_isolated=True).count()
    if not isolated:
        return "No system is isolated, so CRM fields are open to whoever may change them."
    said = "1 system is isolated" if isolated == 1 else f"{isolated} systems are isolated"
    if organisation and organisation.locks_crm_fields:
        return f"{said}, so CRM fields are locked for everybody: accounts are changed in the TDM."
    return f"{said}, but the lock is lifted: CRM fields are open to whoever may change them."


_CASES = {
    "fields": ("service_desk",),
    "description": "Where something goes wrong with a record, its page offers to raise a case. With an"
    " address here it goes there by e-mail, with all facts and no personal details.",
}


def _refused(said: str) -> dict[str, str]:
    """One sentence for whatever is wrong with a number."""
    return dict.fromkeys(("required", "invalid", "min_value", "max_value"), said)


class OrganisationForm(forms.ModelForm):
    """Zones, countries and currencies are chosen from the standards' lists."""

    time_zone = forms.ChoiceField(choices=_time_zones, widget=UnfoldAdminSelect2Widget)
    default_country = forms.ChoiceField(
        choices=_countries,
        widget=UnfoldAdminSelect2Widget,
        help_text="How phone numbers without a country are read.",
    )
    currency = forms.ChoiceField(
        choices=_currencies,
        widget=UnfoldAdminSelect2Widget,
        help_text="Sums count purchases in this currency only; others are shown beside them.",
    )

    class Meta:
        model = Organisation
        fields = (
            "name",
            "time_zone",
            "default_country",
            "currency",
            "night_at",
            "brake_share",
            "brake_floor",
            "brake_size",
            "locks_crm_fields",
            "smallest_cell",
            "service_desk",
        )
        widgets = {"night_at": UnfoldAdminTimeWidget(format="%H:%M")}
        labels = {
            "night_at": "Begins at",
            "brake_share": "Contacts joined, at most (percent)",
            "brake_floor": "but never fewer than (Contacts)",
            "brake_size": "System Refs in one Contact, at most",
            "locks_crm_fields": "Lock CRM fields while a system is isolated",
            "smallest_cell": "Smallest figure told of systems out of sight",
            "service_desk": "E-mail of the service desk",
        }
        error_messages = {
            "night_at": {"invalid": "A time of day, such as 02:00."},
            "service_desk": {"invalid": "An e-mail address, such as desk@example.org."},
            "brake_share": _refused("A whole number of percent, from 1 to 100."),
            "brake_floor": _refused("A whole number of Contacts, 0 or more."),
            "brake_size": _refused("A whole number of System Refs, 2 or more."),
            "smallest_cell": _refused("A whole number, from 0 to 1,000; 0 tells every figure."),
        }


@admin.register(Organisation)
class OrganisationAdmin(ModelAdmin):
    form = OrganisationForm
    fieldsets = (
        ("The organisation", {"fields": ("name", "default_country", "currency")}),
        ("The night", {"fields": ("night_at", "time_zone")}),
        (
            "The brake",
            {
                "fields": ("brake_share", "brake_floor", "brake_size"),
                "description": "A night that would do more than this stops before it joins anybody, says"
                " what is to blame, and waits for somebody to let it go on. A first load is not stopped.",
            },
        ),
    )
    compressed_fields = True

    def get_fieldsets(self, request: HttpRequest, obj: Organisation | None = None) -> Any:
        """Isolation as well, with what it comes to now."""
        told = {"fields": ("locks_crm_fields", "smallest_cell"), "description": _isolation_now(obj)}
        return (*self.fieldsets, ("Isolated systems", told), ("Cases", _CASES))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        organisation = Organisation.load()
        return HttpResponseRedirect(reverse("admin:contacts_organisation_change", args=[organisation.pk]))

    def save_model(self, request: HttpRequest, obj: Organisation, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if {"night_at", "time_zone"} & set(form.changed_data):
            begins = plan_next_night(now=timezone.now())
            self.message_user(
                request, f"The next night begins {begins:%-d %b %Y, %H:%M} ({obj.time_zone}).", messages.INFO
            )

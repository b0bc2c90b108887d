"""Purchases: a read-only list over the systems that the user may see."""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from contacts.admin_access import VisibleSystemFilter
from contacts.admin_files import ExportingAdmin
from contacts.models import Job
from contacts.templatetags.kore import moment, money, system_badge
from ticketing.models import Purchase
from ticketing.resources import PurchaseResource

YEARS_OFFERED = 5
STATUS_TONES = {
    Purchase.Status.PAID: "good",
    Purchase.Status.RESERVED: "busy",
    Purchase.Status.REFUNDED: "off",
    Purchase.Status.CANCELLED: "bad",
}


class YearFilter(admin.SimpleListFilter):
    """By the calendar year of the purchase, in the organisation's time zone."""

    title = "bought in"
    parameter_name = "year"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        newest = timezone.localdate().year
        return [(str(year), str(year)) for year in range(newest, newest - YEARS_OFFERED, -1)]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        value = self.value()
        if value is None or not value.isdecimal() or not 1 <= int(value) < 9999:
            return queryset
        zone = timezone.get_current_timezone()
        first, after = (datetime(int(value) + more, 1, 1, tzinfo=zone) for more in (0, 1))
        return queryset.filter(purchased_at__gte=first, purchased_at__lt=after)


@admin.register(Purchase)
class PurchaseAdmin(ExportingAdmin):
    """Ticketing systems own their purchases: they come in by import and are read here."""

    resource_classes = (PurchaseResource,)
    import_kind = Job.Kind.IMPORT_PURCHASES
    list_display = (
        "purchase",
        "ref",
        "shown_event",
        "bought",
        "kind",
        "seats",
        "shown_amount",
        "shown_status",
    )
    list_display_links = ("purchase",)
    list_filter = (
        VisibleSystemFilter,
        YearFilter,
        ("kind", admin.ChoicesFieldListFilter),
        ("status", admin.ChoicesFieldListFilter),
    )
    list_select_related = ("system", "system_ref__mapping")
    list_fullwidth = True
    search_fields = ("^purchase_id", "^system_ref__system_ref")
    search_help_text = "Purchase id or System Ref"
    ordering = ("-purchased_at", "-pk")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_sortable_by(self, request: HttpRequest) -> tuple[str, ...]:
        return ("bought", "shown_event", "shown_amount")

    def get_fields(self, request: HttpRequest, obj: Purchase | None = None) -> tuple[str, ...]:
        return (
            "purchase",
            "ref",
            "event",
            "event_on",
            "bought",
            "kind",
            "seats",
            "shown_amount",
            "shown_status",
        )

    @admin.display(description="purchase")
    def purchase(self, purchase: Purchase) -> SafeString:
        return format_html('<span class="k-id">{}</span>', purchase.purchase_id)

    @admin.display(description="System Ref")
    def ref(self, purchase: Purchase) -> SafeString:
        return system_badge(purchase.system, purchase.system_ref.system_ref)

    @admin.display(description="event", ordering="event")
    def shown_event(self, purchase: Purchase) -> SafeString:
        if purchase.event_on is None:
            return format_html("{}", purchase.event or "–")
        return format_html('{} <span class="k-note">{}</span>', purchase.event, moment(purchase.event_on))

    @admin.display(description="bought", ordering="purchased_at")
    def bought(self, purchase: Purchase) -> SafeString | str:
        return moment(purchase.purchased_at)

    @admin.display(description="amount", ordering="amount")
    def shown_amount(self, purchase: Purchase) -> SafeString:
        return format_html('<span class="k-num">{}</span>', money(purchase.amount, purchase.currency))

    @admin.display(description="status")
    def shown_status(self, purchase: Purchase) -> SafeString:
        tone = STATUS_TONES[Purchase.Status(purchase.status)]
        return format_html('<span class="k-state k-state-{}">{}</span>', tone, purchase.get_status_display())

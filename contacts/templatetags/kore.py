"""The small things that every screen shows alike: system badges, dates, money."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django import template
from django.contrib.auth.models import AnonymousUser, User
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString

from contacts.system_rights import ask_whom

register = template.Library()

_SIGNS = {"GBP": "£", "EUR": "€", "USD": "$", "CAD": "CA$", "AUD": "A$", "JPY": "¥"}


@register.simple_tag
def system_badge(system: Any, text: Any = "") -> SafeString:
    """The badge of a ticket system: its code in its tint, the same everywhere; `text` stands beside the code.

    `system` is a TicketSystem, or anything with `code`, `name` and `tint`.
    """
    beside = format_html('<span class="k-badge-text">{}</span>', text) if text != "" else ""
    return format_html(
        '<span class="k-badge k-tint-{}" title="{}"><span class="k-badge-code">{}</span>{}</span>',
        system.tint % 8,
        system.name,
        system.code,
        beside,
    )


@register.simple_tag
def group_link(group_id: int, text: str = "") -> SafeString:
    """A GroupID that leads to its contact; a retired one to what it lives on in."""
    return format_html(
        '<a class="k-id" href="{}">{}</a>', reverse("contact", args=[group_id]), text or group_id
    )


@register.simple_tag(name="ask_whom")
def names_to_ask(user: User | AnonymousUser) -> str:
    """Who can grant rights to this user: "Ask: J. Diaz."; two queries, where there is nothing to show."""
    return ask_whom(user)


@register.filter
def who(user: User | None) -> str:
    """How a person at work is called; blank for nobody, and for an account that is gone."""
    return (user.get_full_name() or user.get_username()) if user else ""


@register.filter
def money(amount: Decimal | None, currency: str) -> str:
    """An amount with its currency: £1,204.50, £380 without pence where there are none; a dash for nothing."""
    if amount is None:
        return "–"
    amount = Decimal(amount)
    places = 0 if amount == amount.to_integral_value() else 2
    figure = number_format(abs(amount), decimal_pos=places, use_l10n=True, force_grouping=True)
    sign = _SIGNS.get(currency)
    return f"{'−' if amount < 0 else ''}{sign}{figure}" if sign else f"{amount and figure} {currency}"


@register.filter
def to_the_minute(value: datetime | None) -> SafeString | str:
    """A date with its time, where the hour is the point: 12 Mar 2026, 14:05."""
    if value is None:
        return "–"
    local = timezone.localtime(value)
    return format_html('<time datetime="{}">{}</time>', local.isoformat(), f"{local:%-d %b %Y, %H:%M}")


@register.filter
def moment(value: datetime | date | None) -> SafeString | str:
    """A date short enough for a dense list, the time on hover: 12 Mar 2026."""
    if value is None:
        return "–"
    if isinstance(value, datetime):
        local = timezone.localtime(value)
        return format_html(
            '<time datetime="{}" title="{}">{}</time>',
            local.isoformat(),
            f"{local:%-d %b %Y, %H:%M}",
            f"{local:%-d %b %Y}",
        )
    return format_html('<time datetime="{}">{}</time>', value.isoformat(), f"{value:%-d %b %Y}")

"""How the screens of connections write spans of time and the fields of their forms."""

from datetime import datetime
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ticketing.models import PullAlarm

register = template.Library()

_MINUTES = {"minute": 1, "hour": 60, "day": 24 * 60}
_ALARMS = {
    PullAlarm.Kind.FAILING: "failing",
    PullAlarm.Kind.LATE: "late",
    PullAlarm.Kind.EMPTY_LIST: "empty list",
    PullAlarm.Kind.TOO_MANY_GONE: "many missing",
    PullAlarm.Kind.REJECTED: "many rejected",
    PullAlarm.Kind.UNSENT: "not written",
}


@register.filter
def span(amount: int, unit: str) -> str:
    """So many minutes, hours or days in the largest unit that fits: hour, 90 minutes, 2 days."""
    minutes = amount * _MINUTES[unit]
    largest = max((name for name, size in _MINUTES.items() if minutes % size == 0), key=_MINUTES.__getitem__)
    count = minutes // _MINUTES[largest]
    return largest if count == 1 else f"{count:,} {largest}s"


@register.filter
def ago(seconds: float | None) -> str:
    """How long ago, as roughly as it matters: 24 s, 29 min, 1 h 05 min, 5 h, 3 days; a dash for nothing."""
    if not isinstance(seconds, int | float):  # a template gives a blank text for what there is not
        return "–"
    minutes = int(seconds // 60)
    if minutes < 1:
        return f"{int(seconds)} s"
    if minutes < 60:
        return f"{minutes} min"
    hours = minutes // 60
    if hours < 3:
        return f"{hours} h {minutes % 60:02} min"
    return f"{hours} h" if hours < 48 else f"{hours // 24} days"


@register.filter
def at(value: datetime | None) -> SafeString | str:
    """A moment in a dense list: the time alone where it is today, the rest on hover; a dash for none."""
    if not isinstance(value, datetime):
        return "–"
    local = timezone.localtime(value)
    is_today = local.date() == timezone.localdate()
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        local.isoformat(),
        f"{local:%-d %b %Y, %H:%M}",
        f"{local:%H:%M}" if is_today else f"{local:%-d %b, %H:%M}",
    )


@register.simple_tag
def alarm_mark(alarm: PullAlarm) -> SafeString:
    """An alarm in a dense list: two words, the rest on hover."""
    return format_html(
        '<span class="cn-alarm" title="{}">{}</span>', alarm.message, _ALARMS[PullAlarm.Kind(alarm.kind)]
    )


@register.filter
def set_at(bound_field: Any) -> Any:
    """When the secret of this field was set; None for one that is not."""
    return bound_field.field.set_at

"""How the overview and the nights write shares, durations and bars."""

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from contacts.shares import share, share_text

register = template.Library()


@register.simple_tag
def percent(part: int, whole: int) -> str:
    """A share of a whole: 34 %; a dash for a share of nothing, and no false nought or whole."""
    return share_text(share(part, whole))


@register.filter
def duration(seconds: float | None) -> str:
    """Seconds as people say them: 0.4 s, 42 s, 3 min 20 s, 1 h 05 min."""
    if seconds is None:
        return "–"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


@register.simple_tag
def bar(length: int, tone: str = "", says: str = "") -> SafeString:
    """A bar of that many percent with the figure beside it, which says all that the drawing says.

    `says` is what to print where the whole number would be untrue, such as "<1 %".
    """
    return format_html(
        '<span class="ov-bar ov-bar-{}">'
        '<svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        '<rect width="100" height="8" class="ov-bar-rest"/>'
        '<rect width="{}" height="8" class="ov-bar-part"/></svg>'
        "<span>{}</span></span>",
        tone.split(" ")[0] if tone else "plain",
        min(100, max(0, length)),
        says or f"{length} %",
    )

"""The names of detail fields, as the screens of the TDM write them."""

from collections.abc import Iterable
from typing import Any

from django import template

from contacts.models.person_details import name_of

register = template.Library()


@register.filter
def field_name(field: str) -> str:
    """What a field is called on every screen."""
    return name_of(field)


@register.filter
def person(user: Any) -> str:
    """Somebody by name; who is not known any more, or nobody, is "somebody"."""
    return (user.get_full_name() or user.get_username()) if user else "somebody"


@register.filter
def field_names(fields: Iterable[str]) -> str:
    """The names of several fields, one after the other."""
    return ", ".join(name_of(field) for field in fields)

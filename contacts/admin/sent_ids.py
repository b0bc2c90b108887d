"""Ids and text as forms and addresses send them: anything may be made up."""

from typing import Any

from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest

_LONGEST = 18  # digits, that an id of the database can have


def sent_id(text: str) -> int:
    """The id; 0, which no row has, where the text is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _LONGEST else 0


def sent_text(text: str, longest: int | None = None) -> str:
    """The text without blanks around it and without NULs, which PostgreSQL keeps nowhere."""
    return text.replace("\x00", "").strip()[:longest]


def row_at(model_admin: Any, request: HttpRequest, object_id: str) -> Any:
    """The row at this address; 403 for who may not open its list, 404 for a row not shown to them."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    row = model_admin.get_queryset(request).filter(pk=sent_id(unquote(object_id))).first()
    if row is None:
        raise Http404
    return row

"""Whom requests are about, by name, as their reader may see them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from django.contrib.auth.models import User

from contacts.models import Contact
from contacts.request_words import RequestInWords
from contacts.services.golden import golden_of

MOST_NAMED = 4  # of one request in a list


def with_names(rows: Sequence[RequestInWords], user: User) -> list[RequestInWords]:
    """The requests with the golden name of each side; a few queries whatever their number."""
    names = _names({group_id for row in rows for group_id in row.group_ids[:MOST_NAMED]}, user)
    return [
        replace(row, sides=[(one, names.get(one, "")) for one in row.group_ids[:MOST_NAMED]]) for row in rows
    ]


def _names(group_ids: Iterable[int], user: User) -> dict[int, str]:
    living = Contact.objects.visible_to(user).filter(pk__in=set(group_ids)).prefetch_related("pins")
    loaded: Any = Contact.objects.load_visible_refs(list(living), user)
    return {contact.pk: _name(contact) for contact in loaded}


def _name(contact: Any) -> str:
    golden = golden_of(contact.visible_mappings, contact.pins.all())
    return " ".join(str(golden[f].value) for f in ("first_name", "last_name") if f in golden)

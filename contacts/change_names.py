"""Whom a change of groups left, by name, as its reader may see them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from django.contrib.auth.models import User

from contacts.change_words import ChangeLine
from contacts.models import Contact
from contacts.services.golden import golden_of

MOST_NAMED = 4  # of one change, as many as its line shows GroupIDs


def named(lines: Sequence[ChangeLine], user: User) -> list[ChangeLine]:
    """The lines with the golden names of the Contacts that live; a few queries whatever their number."""
    wanted = {group_id for line in lines for group_id in line.after[:MOST_NAMED]}
    living = Contact.objects.visible_to(user).filter(pk__in=wanted).prefetch_related("pins")
    loaded: Any = Contact.objects.load_visible_refs(list(living), user) if wanted else []
    names = {contact.pk: _name(contact) for contact in loaded}
    return [replace(line, names=_of(line, names)) for line in lines]


def _of(line: ChangeLine, names: dict[int, str]) -> list[str]:
    """Each name once, in the order of the GroupIDs."""
    found = [names.get(group_id, "") for group_id in line.after[:MOST_NAMED]]
    return list(dict.fromkeys(name for name in found if name))


def _name(contact: Any) -> str:
    golden = golden_of(contact.visible_mappings, contact.pins.all())
    return " ".join(str(golden[f].value) for f in ("first_name", "last_name") if f in golden)

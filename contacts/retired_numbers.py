"""Where a retired GroupID leads: to its successor, or to a choice of several (R-CM-26)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Max

from contacts.models import Contact, GroupAlias, Move, SystemRef
from contacts.services.golden import golden_of

LARGEST_ID = 2**63 - 1


@dataclass(frozen=True)
class Successor:
    """A Contact that a retired number lives on in: its name over the visible refs, and those that came along.

    `since`: when the last of these refs left the old number.
    """

    contact: Contact
    name: str
    came: Sequence[SystemRef]
    since: datetime | None


def successors_of(group_id: int, user: User | AnonymousUser) -> list[Contact]:
    """The visible Contacts that the number leads to; none where the user could not have known it."""
    if group_id > LARGEST_ID:
        return []
    aliases = GroupAlias.objects.visible_to(user).filter(group_id=group_id)
    found = Contact.objects.visible_to(user).filter(pk__in=aliases.values("contact"))
    return list(found.order_by("pk"))


def described(group_id: int, successors: Sequence[Contact], user: User | AnonymousUser) -> list[Successor]:
    """The same with what tells them apart; four queries whatever their number."""
    moves = Move.objects.visible_to(user).filter(
        from_group=group_id, system_ref__mapping__contact__in=successors
    )
    left = dict(moves.order_by().values_list("system_ref").annotate(Max("at")))
    loaded: Any = Contact.objects.load_visible_refs(list(successors), user)
    return [_described(contact, left) for contact in loaded]


def _described(contact: Any, left: dict[int, datetime]) -> Successor:
    golden = golden_of(contact.visible_mappings, contact.pins.all())
    came = [mapping.system_ref for mapping in contact.visible_mappings if mapping.system_ref_id in left]
    return Successor(
        contact=contact,
        name=" ".join(str(golden[f].value) for f in ("first_name", "last_name") if f in golden),
        came=came,
        since=max((left[ref.pk] for ref in came), default=None),
    )

"""Lines for exports of Contacts: what one user may see of each, and nothing else."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User

from contacts.models.contact import ContactQuerySet
from contacts.models.person_details import DETAIL_FIELDS
from contacts.permissions import sees_every_system
from contacts.services.golden import golden_of
from contacts.services.leaders import leader_first

CONTACTS_AT_ONCE = 1000


@dataclass(frozen=True)
class ContactLine:
    """A Contact with its golden values over the refs that the user may see, and those refs."""

    group_id: int
    values: dict[str, Any]
    systems: str
    system_refs: str


def contact_lines(contacts: ContactQuerySet, *, user: User) -> Iterator[ContactLine]:
    """A line for each Contact, in the order given; two queries for each CONTACTS_AT_ONCE of them.

    Stored golden values, which are over all refs, serve users who see every system; for anyone else they
    are computed over the visible refs (R-MDB-33).
    """
    sees_all = sees_every_system(user)
    for contact in contacts.with_visible_refs(user).iterator(chunk_size=CONTACTS_AT_ONCE):
        yield _line(contact, sees_all=sees_all)


def _line(contact: Any, *, sees_all: bool) -> ContactLine:
    mappings = leader_first(contact.visible_mappings)
    if sees_all:
        values = {name: getattr(contact, name) for name in DETAIL_FIELDS}
    else:
        golden = golden_of(mappings, contact.pins.all())
        values = {name: found.value for name, found in golden.items()}
    refs = [mapping.system_ref for mapping in mappings]
    codes = dict.fromkeys(ref.system.code for ref in refs)
    return ContactLine(
        group_id=contact.pk,
        values=values,
        systems="; ".join(codes),
        system_refs="; ".join(f"{ref.system.code} {ref.system_ref}" for ref in refs),
    )

"""What stands beneath an account: the other people on it, and whether it is gone at its source."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from contacts.contact_page.parts import Shown
from contacts.models import GoneRef, RelatedName
from contacts.models import Mapping as Placement

NAMES_SHOWN = 5  # of an account; its own page has the others


@dataclass(frozen=True)
class Account:
    """A visible ref as a column of the page; `more`: how many people are on it beside those named."""

    mapping: Placement
    gone: GoneRef | None
    names: Sequence[RelatedName]
    more: int


def accounts_of(shown: Shown) -> list[Account]:
    """The visible refs in the order of their mappings; two queries."""
    names = _names(shown)
    return [
        Account(
            mapping=mapping,
            gone=shown.gone.get(mapping.system_ref_id),
            names=names.get(mapping.system_ref_id, [])[:NAMES_SHOWN],
            more=max(len(names.get(mapping.system_ref_id, [])) - NAMES_SHOWN, 0),
        )
        for mapping in shown.mappings
    ]


def _names(shown: Shown) -> Mapping[int, list[RelatedName]]:
    found: dict[int, list[RelatedName]] = {}
    names = RelatedName.objects.visible_to(shown.user).filter(system_ref__in=shown.refs)
    for name in names.order_by("last_name", "first_name", "pk"):
        found.setdefault(name.system_ref_id, []).append(name)
    return found

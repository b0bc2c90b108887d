"""Which account leads a Contact as a reader is shown it, told of the visible accounts alone."""

from collections.abc import Sequence
from typing import Any

from contacts.models import Mapping, SystemRef


def leader_of(mappings: Sequence[Mapping]) -> Mapping:
    """The primary of these mappings of one Contact; where it is not among them the first that stands.

    Everything that shows a Contact takes its leader from here. A page that marks one account, a list that
    begins with another and values that come from a third would say together that there is a hidden one.
    """
    return next((mapping for mapping in mappings if mapping.is_primary), None) or first_standing(mappings)


def leader_first(mappings: Sequence[Mapping]) -> list[Mapping]:
    """The mappings with their leader first, the others in the order given."""
    leader = leader_of(mappings) if mappings else None
    return sorted(mappings, key=lambda mapping: mapping is not leader)


def first_standing(mappings: Sequence[Mapping]) -> Mapping:
    """The first found of the refs that stand at their source; of all where none does."""
    standing = [mapping for mapping in mappings if mapping.system_ref.departure is None]
    return first_found(standing or mappings)


def first_found(mappings: Sequence[Mapping]) -> Mapping:
    """The mapping of the ref that was found before the others, as SystemRefQuerySet.first_found orders."""
    return min(mappings, key=lambda mapping: _found(mapping.system_ref))


def _found(ref: SystemRef) -> tuple[Any, ...]:
    created = ref.created_at.timestamp() if ref.created_at else float("inf")
    return (ref.arrived_at, ref.system.rank, created, ref.system_ref, ref.pk)

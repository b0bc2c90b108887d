"""Golden values from mappings: the one bridge between the tables and `survivorship`."""

from collections.abc import Iterable, Sequence

from contacts.models import GoldenPin, Mapping, SystemRef
from contacts.models.person_details import DETAIL_FIELDS
from contacts.survivorship import Golden, RefValues, golden_values


def golden_of(mappings: Sequence[Mapping], pins: Iterable[GoldenPin]) -> dict[str, Golden]:
    """The golden values over these mappings of one Contact, each with the ref it comes from.

    Given all mappings it is what the Contact stores; given those visible to a user, what that user is shown.
    Asks the database nothing when `system_ref__system` is loaded with the mappings.
    """
    return golden_values(
        [_ref_values(mapping.system_ref, is_primary=mapping.is_primary) for mapping in mappings],
        {pin.field: pin.system_ref_id for pin in pins},
    )


def _ref_values(ref: SystemRef, *, is_primary: bool) -> RefValues:
    return RefValues(
        ref_id=ref.pk,
        is_primary=is_primary,
        system_rank=ref.system.rank,
        arrived_at=ref.arrived_at,
        created_at=ref.created_at,
        updated_at=ref.updated_at,
        system_ref=ref.system_ref,
        last_purchased_at=ref.last_purchased_at,
        spent_total=float(ref.spent_total),
        values={field: getattr(ref, field) for field in DETAIL_FIELDS},
    )

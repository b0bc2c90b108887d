"""Makes business units and ticket systems, with what each of them brings along."""

from django.db import transaction

from contacts.models import BusinessUnit, TicketSystem
from contacts.services.rights import give_by_role

HAND_RANK = 1000
TINTS = 8


def hand_system_code(unit_code: str) -> str:
    """The code of a business unit's hand-entry system."""
    return f"HAND-{unit_code}".upper()[:20]


@transaction.atomic
def add_business_unit(code: str, *, name: str = "") -> BusinessUnit:
    """The unit of that code, made with its hand-entry system when it is new (DECISIONS 1).

    Safe for two callers at once: the code is unique, and so is a unit's hand system.
    """
    unit, made = BusinessUnit.objects.get_or_create(code=code, defaults={"name": name or code})
    if made:
        add_ticket_system(
            hand_system_code(code),
            name=f"Hand entry, {unit.name}",
            kind=TicketSystem.Kind.HAND,
            unit=unit,
            rank=HAND_RANK,
        )
    return unit


@transaction.atomic
def add_ticket_system(
    code: str,
    *,
    name: str,
    unit: BusinessUnit,
    kind: str = TicketSystem.Kind.TICKETING,
    rank: int = 100,
    is_isolated: bool = False,
    is_matched_across: bool = True,
    ref_label: str = "System Ref",
    blanks_overwrite: bool = False,
) -> TicketSystem:
    """Make a ticket system and give administrators and data protection officers every right on it.

    Raises ValidationError naming the field when a value is not allowed or the code is taken.
    """
    system = TicketSystem(
        code=code,
        name=name,
        kind=kind,
        business_unit=unit,
        rank=rank,
        is_isolated=is_isolated,
        is_matched_across=is_matched_across,
        ref_label=ref_label,
        blanks_overwrite=blanks_overwrite,
        tint=TicketSystem.objects.count() % TINTS,
    )
    system.full_clean()
    system.save()
    give_by_role(system)
    return system

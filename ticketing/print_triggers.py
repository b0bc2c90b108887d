"""Triggers that take a purchase's print away as soon as its row would mean something else (ADR 0008)."""

from typing import Any

from contacts.print_triggers import create_trigger, drop_trigger

SAID_BY_ROWS = (
    "system_id",
    "system_ref_id",
    "purchase_id",
    "event",
    "event_on",
    "purchased_at",
    "kind",
    "seats",
    "amount",
    "currency",
    "status",
)


def create_triggers(editor: Any) -> None:
    """One for the purchase itself; one for its System Ref, whose number the row names."""
    create_trigger(
        editor,
        "ticketing_purchase_drops_print",
        table="ticketing_purchase",
        columns=SAID_BY_ROWS,
        drops="DELETE FROM ticketing_purchaseprint WHERE owner_id = OLD.id",
    )
    create_trigger(
        editor,
        "ticketing_ref_drops_prints",
        table="contacts_systemref",
        columns=("system_id", "system_ref"),
        drops=(
            "DELETE FROM ticketing_purchaseprint WHERE owner_id IN "
            "(SELECT id FROM ticketing_purchase WHERE system_ref_id = OLD.id)"
        ),
    )


def drop_triggers(editor: Any) -> None:
    """Take both away."""
    drop_trigger(editor, "ticketing_purchase_drops_print", table="ticketing_purchase")
    drop_trigger(editor, "ticketing_ref_drops_prints", table="contacts_systemref")

"""Triggers that take a row's print away as soon as the record is no longer as the row left it (ADR 0008)."""

from collections.abc import Sequence
from typing import Any

SAID_BY_ROWS = (
    "system_id",
    "system_ref",
    "title",
    "first_name",
    "last_name",
    "email",
    "phone",
    "mobile",
    "company",
    "address1",
    "address2",
    "city",
    "postcode",
    "country",
    "date_of_birth",
    "language",
    "external_customer_id",
    "created_at",
    "updated_at",
)  # the columns of a System Ref that rows write; sums of purchases come and go without them

SAID_BY_NAME_ROWS = (
    "system_ref_id",
    "name_id",
    "role",
    "title",
    "first_name",
    "last_name",
    "email",
    "phone",
    "mobile",
    "date_of_birth",
    "updated_at",
)  # the columns of a related name that rows write


def create_trigger(editor: Any, name: str, *, table: str, columns: Sequence[str], drops: str) -> None:
    """Run the DELETE `drops` after an update of the table that changes one of the columns; made anew.

    `drops` speaks of the changed row as OLD. SQLite loses the trigger when a migration remakes the table:
    such a migration has to call this at its end. Tests look that the triggers stand, and imports too.
    """
    drop_trigger(editor, name, table=table)
    named = ", ".join(columns)
    if editor.connection.vendor == "postgresql":
        differs = " OR ".join(f"OLD.{column} IS DISTINCT FROM NEW.{column}" for column in columns)
        statement = f"""
            CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN {drops}; RETURN NULL; END $$;
            CREATE TRIGGER {name} AFTER UPDATE OF {named} ON {table}
            FOR EACH ROW WHEN ({differs}) EXECUTE FUNCTION {name}();
        """
    else:
        differs = " OR ".join(f"OLD.{column} IS NOT NEW.{column}" for column in columns)
        statement = f"""
            CREATE TRIGGER {name} AFTER UPDATE OF {named} ON {table} WHEN {differs} BEGIN {drops}; END
        """
    editor.execute(statement, params=None)


def drop_trigger(editor: Any, name: str, *, table: str) -> None:
    """Take the trigger away; no harm where there is none."""
    on_table = f" ON {table}" if editor.connection.vendor == "postgresql" else ""
    editor.execute(f"DROP TRIGGER IF EXISTS {name}{on_table}")


def create_ref_trigger(editor: Any) -> None:
    """The one of System Refs."""
    create_trigger(
        editor,
        "contacts_ref_drops_print",
        table="contacts_systemref",
        columns=SAID_BY_ROWS,
        drops="DELETE FROM contacts_systemrefprint WHERE owner_id = OLD.id",
    )


def drop_ref_trigger(editor: Any) -> None:
    """Take the one of System Refs away."""
    drop_trigger(editor, "contacts_ref_drops_print", table="contacts_systemref")


def create_name_triggers(editor: Any) -> None:
    """Those of related names: one for the name itself; one for its System Ref, whose number the row names."""
    create_trigger(
        editor,
        "contacts_name_drops_print",
        table="contacts_relatedname",
        columns=SAID_BY_NAME_ROWS,
        drops="DELETE FROM contacts_relatednameprint WHERE owner_id = OLD.id",
    )
    create_trigger(
        editor,
        "contacts_ref_drops_name_prints",
        table="contacts_systemref",
        columns=("system_id", "system_ref"),
        drops=(
            "DELETE FROM contacts_relatednameprint WHERE owner_id IN "
            "(SELECT id FROM contacts_relatedname WHERE system_ref_id = OLD.id)"
        ),
    )


def drop_name_triggers(editor: Any) -> None:
    """Take both away."""
    drop_trigger(editor, "contacts_name_drops_print", table="contacts_relatedname")
    drop_trigger(editor, "contacts_ref_drops_name_prints", table="contacts_systemref")

"""Triggers on the System Refs that note which of them have to be grouped again (ADR 0009)."""

from typing import Any

MATCHED = (
    "system_id",
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
)  # the columns that a grouping run looks at (contacts.grouping.records.REF_SCHEMA)

TRIGGERS = ("contacts_ref_pending_on_insert", "contacts_ref_pending_on_update")


def create_triggers(editor: Any) -> None:
    """Make the triggers anew. SQLite loses them when a migration remakes the table of System Refs: such a
    migration has to call this at its end, and a test looks that they stand."""
    if editor.connection.vendor == "postgresql":
        statements = [_function(on) + _postgres_trigger(on) for on in ("insert", "update")]
    else:
        statements = [_sqlite_trigger(on) for on in ("insert", "update")]
    drop_triggers(editor)
    for statement in statements:
        editor.execute(statement, params=None)


def drop_triggers(editor: Any) -> None:
    """Take the triggers away; no harm where there are none."""
    table = " ON contacts_systemref" if editor.connection.vendor == "postgresql" else ""
    for name in TRIGGERS:
        editor.execute(f"DROP TRIGGER IF EXISTS {name}{table}")


def _function(on: str) -> str:
    """One statement notes all rows of one statement: a row's trigger would cost an import dear."""
    changed = ""
    if on == "update":
        new, old = (", ".join(f"{side}.{column}" for column in MATCHED) for side in ("seen", "before"))
        changed = f" JOIN old_refs before ON before.id = seen.id WHERE ({new}) IS DISTINCT FROM ({old})"
    return f"""
        CREATE OR REPLACE FUNCTION contacts_ref_pending_{on}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO contacts_pendingref (system_ref_id) SELECT seen.id FROM new_refs seen{changed}
            ON CONFLICT (system_ref_id) DO UPDATE SET id = excluded.id;
            RETURN NULL;
        END $$;
    """


def _postgres_trigger(on: str) -> str:
    old = "OLD TABLE AS old_refs " if on == "update" else ""
    return f"""
        CREATE TRIGGER contacts_ref_pending_on_{on} AFTER {on.upper()} ON contacts_systemref
        REFERENCING {old}NEW TABLE AS new_refs
        FOR EACH STATEMENT EXECUTE FUNCTION contacts_ref_pending_{on}();
    """


def _sqlite_trigger(on: str) -> str:
    """Replacing the row gives it a new id, as on PostgreSQL."""
    condition = ""
    if on == "update":
        condition = " WHEN " + " OR ".join(f"new.{column} IS NOT old.{column}" for column in MATCHED)
    return f"""
        CREATE TRIGGER contacts_ref_pending_on_{on} AFTER {on.upper()} ON contacts_systemref{condition}
        BEGIN
            INSERT OR REPLACE INTO contacts_pendingref (system_ref_id) VALUES (new.id);
        END
    """

"""Whether an address is our own database: queries of customers never run there."""

from django.db import connection

from ticketing.connectors.sql_fingerprint import POSTGRES_FINGERPRINT, sqlite_fingerprint


def is_own_database(fingerprint: str) -> bool:
    """Whether a database with this fingerprint is ours, whatever name or address led there."""
    return fingerprint == _own_fingerprint()


def _own_fingerprint() -> str:
    if connection.vendor == "sqlite":
        return sqlite_fingerprint(str(connection.settings_dict["NAME"]))
    with connection.cursor() as cursor:
        cursor.execute(POSTGRES_FINGERPRINT)
        return str(cursor.fetchone()[0])

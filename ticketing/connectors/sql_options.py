"""What is to be filled in for a connection to a database."""

from collections.abc import Callable, Mapping

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from ticketing.connectors.base import NotAllowed, Option, Setup
from ticketing.connectors.sql_text import one_select, one_update


def _dialect(options: Mapping[str, str]) -> str:
    try:
        url = options.get("url", "").strip().replace("postgres://", "postgresql://", 1)
        return make_url(url).get_backend_name()
    except (ArgumentError, ValueError):
        raise NotAllowed("This is no address of a database.") from None


def _select(label: str) -> Callable[[str, Mapping[str, str]], object]:
    return lambda text, options: one_select(text, label, dialect=_dialect(options))


def _update(text: str, options: Mapping[str, str]) -> object:
    return one_update(text, "write statement", dialect=_dialect(options))


def written_fields(setup: Setup, _number: str) -> frozenset[str]:
    """The parameters of the write statement, where there is a credential for writing. Raises NotAllowed."""
    statement = setup.options.get("write_statement", "").strip()
    if not (statement and setup.secrets.get("write_url")):
        return frozenset()
    update = one_update(statement, "write statement", dialect=_dialect(setup.options))
    return update.parameters - {"system_ref", "version"}


OPTIONS = (
    Option(
        "url",
        "Address",
        "postgresql://user@host:5432/database, sqlite:////folder/file, or that of MySQL, MariaDB, SQL Server "
        "or Oracle. The user needs no right but to read.",
        is_required=True,
        check=lambda _text, options: _dialect(options),
    ),
    Option("password", "Password", "Of the user in the address.", is_secret=True),
    Option(
        "accounts_query",
        "Accounts query",
        "SELECT … WHERE updated_at >= :since. One row for each account, or for each person of an account.",
        is_required=True,
        is_long=True,
        check=_select("accounts query"),
    ),
    Option(
        "names_query",
        "Names query",
        "The related names of accounts, where they stand apart.",
        is_long=True,
        check=_select("names query"),
    ),
    Option(
        "purchases_query",
        "Purchases query",
        "One row for each purchase, behind :since.",
        is_long=True,
        check=_select("purchases query"),
    ),
    Option(
        "numbers_query",
        "Numbers query",
        "Every account number there is, and in a second column the one it was merged into. "
        "Without it, the accounts query is asked from the beginning of time.",
        is_long=True,
        check=_select("numbers query"),
    ),
    Option(
        "key_column",
        "Key column",
        "The column with the account number. Without it, the one that is mapped to system_ref.",
    ),
    Option(
        "version_column",
        "Version column",
        "A column that changes with each change of an account. Without it, the whole row is compared.",
    ),
    Option(
        "write_statement",
        "Write statement",
        "UPDATE … SET email = :email … WHERE id = :system_ref. Parameters are our names of fields, "
        ":system_ref and :version; a blank is NULL.",
        is_long=True,
        check=_update,
    ),
    Option(
        "write_url",
        "Address for writing",
        "The same database with a user and a password that may write. Without it, nothing is written.",
        is_secret=True,
    ),
)

"""What is to be filled in for a connection to a database."""

from ticketing.connectors.base import Option

OPTIONS = (
    Option(
        "url",
        "Address",
        "postgresql://user@host:5432/database, sqlite:////folder/file, or that of MySQL, MariaDB, SQL Server "
        "or Oracle. The user needs no right but to read.",
        is_required=True,
    ),
    Option("password", "Password", "Of the user in the address.", is_secret=True),
    Option(
        "accounts_query",
        "Accounts query",
        "SELECT … WHERE updated_at >= :since. One row for each account, or for each person of an account.",
        is_required=True,
        is_long=True,
    ),
    Option(
        "names_query", "Names query", "The related names of accounts, where they stand apart.", is_long=True
    ),
    Option("purchases_query", "Purchases query", "One row for each purchase, behind :since.", is_long=True),
    Option(
        "numbers_query",
        "Numbers query",
        "Every account number there is, and in a second column the one it was merged into. "
        "Without it, the accounts query is asked from the beginning of time.",
        is_long=True,
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
    ),
    Option(
        "write_url",
        "Address for writing",
        "The same database with a user and a password that may write. Without it, nothing is written.",
        is_secret=True,
    ),
)

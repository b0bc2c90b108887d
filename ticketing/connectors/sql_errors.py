"""What errors of databases mean, by their codes; never a value, a password or a query in the text."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ticketing.connectors.base import (
    CannotWrite,
    ChangedSchema,
    Conflict,
    LoginRefused,
    NotAllowed,
    SourceError,
    TooMuch,
    Unreachable,
)

# Beginnings of codes: SQLSTATE (PostgreSQL, ODBC), names of SQLite, numbers of MySQL and Oracle.
_MEANINGS: dict[type[SourceError], tuple[str, ...]] = {
    LoginRefused: ("28", "42501", "1044", "1045", "1142", "1143", "ORA-01017", "ORA-01031", "ORA-28000"),
    NotAllowed: ("25006", "SQLITE_READONLY", "SQLITE_AUTH", "1792", "ORA-01456"),
    TooMuch: ("57014", "SQLITE_INTERRUPT", "HYT00", "3024", "1969", "ORA-01013", "53100", "53200", "54"),
    Conflict: ("40", "55P03", "1213", "1205", "ORA-08177", "ORA-00060"),
    CannotWrite: ("23", "22", "44", "SQLITE_CONSTRAINT", "SQLITE_MISMATCH", "1062", "1406", "1452"),
    Unreachable: (
        "08", "57P", "57", "53", "58", "25P0", "SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_CANTOPEN",
        "SQLITE_IOERR", "2002", "2003", "2006", "2013", "ORA-125", "ORA-03113",
    ),
    ChangedSchema: (
        "42", "3D", "3F", "0A", "SQLITE_ERROR", "SQLITE_NOTADB", "SQLITE_CORRUPT", "1054", "1064",
        "1146", "1049", "ORA-00904", "ORA-00942", "ORA-009",
    ),
}  # fmt: skip
_SENTENCES: dict[type[SourceError], tuple[str, str]] = {
    LoginRefused: (
        "The database does not accept the credentials, or they may not do this ({what}).",
        "Check user name and password, and that the user may read every table of the query.",
    ),
    NotAllowed: (
        "The {what} wants to write.",
        "Queries only read; accounts are written by the write statement alone.",
    ),
    TooMuch: (
        "The {what} takes longer, or more room, than is allowed.",
        "Let it use an index on the moment of change, or allow the connection more seconds.",
    ),
    Conflict: ("The account was changed by somebody else at the same time.", "Read it again."),
    CannotWrite: (
        "The database does not take a value ({what}).",
        "Look at the types and the constraints of the columns that it names.",
    ),
    Unreachable: (
        "The database does not answer, or broke off ({what}).",
        "Check the address, and that the database is running and takes connections from here.",
    ),
    ChangedSchema: (
        "The {what} does not fit the database: {said}.",
        "Compare it with the tables as they are now; they may have changed with an update.",
    ),
}
_IN_READING: dict[type[SourceError], type[SourceError]] = {Conflict: Unreachable, CannotWrite: ChangedSchema}
# Of a connection that was refused psycopg has no code, only the server's words: these are passing troubles.
_PASSING = re.compile(r"too many|slots are reserved|starting up|shutting down|recovery|not accepting", re.I)
_NOT_UTF8 = "22021"
_NO_NULL_IN_SQLITE = re.compile(r"NOT NULL constraint failed: \w+\.(\w+)")
_NO_TLS = re.compile(r"not support SSL|certificate|SSL (error|negotiation)", re.I)
_MISSING_DATABASE = re.compile(r'database "[^"]*" does not exist')


@contextmanager
def translated(what: str, *, writes: bool = False) -> Iterator[None]:
    """Turn errors of databases into SourceErrors; `what` is the query or the step, as messages call it."""
    try:
        yield
    except SQLAlchemyError as error:
        raise meaning(error, what, writes=writes) from None
    except UnicodeDecodeError:
        raise _broken_text(what) from None


def _broken_text(what: str) -> SourceError:
    return ChangedSchema(
        f"The {what} holds text that is not UTF-8.",
        advice="Let it convert the text, or mend the database.",
    )


def meaning(error: SQLAlchemyError, what: str, *, writes: bool = False) -> SourceError:
    """The SourceError that says what happened, in reading or in writing."""
    original = error.orig if isinstance(error, DBAPIError) else None
    if original is None:
        return ChangedSchema(
            f"The {what} cannot be run.", advice="Check its parameters and names of columns."
        )
    code = _code(original)
    if not code and _NO_TLS.search(str(original)):
        return NotAllowed(
            "The database cannot be spoken to encrypted, or its certificate cannot be trusted.",
            advice="Its administrator has to switch TLS on, or give it a certificate that fits its name.",
        )
    if code == _NOT_UTF8 and not writes:
        return _broken_text(what)
    if writes and (column := _without_null(original, code)):
        return CannotWrite(
            f"The database does not take a blank in {column}.",
            advice=f"Fill it in there, or let the write statement write COALESCE(…, '') into {column}.",
        )
    kind = _by_code(code) if code else _without_code(str(original))
    if not writes:
        kind = _IN_READING.get(kind, kind)
    message, advice = _SENTENCES[kind]
    return kind(message.format(what=what, said=_said(original, code)), advice=advice)


def is_no_value(error: DBAPIError) -> bool:
    """Whether a text could not be read as a value of its column's type."""
    return _code(error.orig).startswith("22") if error.orig else False


def _code(original: BaseException) -> str:
    """SQLSTATE, SQLite's name, or the number that MySQL and Oracle give."""
    for name in ("sqlstate", "sqlite_errorname"):
        if code := getattr(original, name, None):
            return str(code)
    first = original.args[0] if original.args else ""
    if isinstance(first, int):
        return str(first)
    if isinstance(first, str) and re.fullmatch("[0-9A-Z]{5}", first):
        return first
    found = re.search(r"ORA-\d{5}", str(original))
    return found.group() if found else ""


def _by_code(code: str) -> type[SourceError]:
    """The meaning whose beginning of the code is the longest."""
    fitting = [
        (len(start), kind) for kind, starts in _MEANINGS.items() for start in starts if code.startswith(start)
    ]
    return max(fitting, key=lambda entry: entry[0])[1] if fitting else ChangedSchema


def _without_code(text: str) -> type[SourceError]:
    if _MISSING_DATABASE.search(text):
        return ChangedSchema
    return LoginRefused if "FATAL" in text and not _PASSING.search(text) else Unreachable


def _without_null(original: BaseException, code: str) -> str:
    """The column that must not be NULL and was to be, where the driver names it."""
    if code == "23502":
        return getattr(getattr(original, "diag", None), "column_name", None) or ""
    found = _NO_NULL_IN_SQLITE.search(str(original)) if code == "SQLITE_CONSTRAINT_NOTNULL" else None
    return found[1] if found else ""


def _said(original: BaseException, code: str) -> str:
    """What the database named, where that can be a table, a column or a keyword only."""
    diagnosis = getattr(original, "diag", None)
    if diagnosis is not None and code.startswith(("42", "3F", "3D")):
        return str(diagnosis.message_primary)
    if code in ("SQLITE_ERROR", "SQLITE_NOTADB", "SQLITE_CORRUPT"):
        return str(original)
    if found := _MISSING_DATABASE.search(str(original)):
        return found.group()
    return f"error {code}" if code else "it gives no reason"

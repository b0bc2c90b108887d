"""The index behind the search: trigrams of SystemRef.search_text, kept by the database itself.

PostgreSQL has pg_trgm and a GIN index. SQLite has an FTS5 table that triggers keep in step, but for the rows
that arrived last: those are read as they are, until `index_arrivals` takes them in, since FTS5 takes many
rows at once seven times faster than one by one. docs/adr/0007 says more.
"""

import logging
import sqlite3
from collections.abc import Callable
from functools import cache

from django.db import ProgrammingError, connection, transaction

TABLE = "contacts_search"
REFS = "contacts_systemref"
GIN_INDEX = "system_ref_by_trigram"
ROWS_AT_ONCE = 20_000

# Which ids the table holds: every ref up to it. The refs above it are the latest arrivals.
UPTO = f"(SELECT upto FROM {TABLE}_upto)"
_ADD = f"INSERT INTO {TABLE}(rowid, search_text) VALUES (NEW.id, NEW.search_text);"
_DROP = f"INSERT INTO {TABLE}({TABLE}, rowid, search_text) VALUES ('delete', OLD.id, OLD.search_text);"
TRIGGERS = {
    f"{TABLE}_insert": f"AFTER INSERT ON {REFS} WHEN NEW.id <= {UPTO} BEGIN {_ADD} END",
    f"{TABLE}_delete": f"AFTER DELETE ON {REFS} WHEN OLD.id <= {UPTO} BEGIN {_DROP} END",
    f"{TABLE}_update": (
        f"AFTER UPDATE ON {REFS} WHEN OLD.id <= {UPTO} AND OLD.search_text IS NOT NEW.search_text "
        f"BEGIN {_DROP} {_ADD} END"
    ),
}

logger = logging.getLogger(__name__)


def make_search_index() -> None:
    """Make what is missing of the index; running it again changes nothing.

    Runs after every migrate, since Django remakes SQLite's tables to alter them and loses their triggers.
    A file that comes to a SQLite without FTS5 loses its triggers, which could write no ref there; back under
    one that has it, the index is made anew.
    """
    if connection.vendor == "postgresql":
        _make_gin_index()
    elif not has_fts5():
        _drop_triggers()
    elif not _stands():
        _make_fts_table()
        index_arrivals()


def index_arrivals(progress: Callable[[int, int], None] | None = None) -> int:
    """Take the latest arrivals into the index; returns how many on SQLite, 0 on PostgreSQL.

    Commits in chunks of well under a second, each of them whole, so that it may stop anywhere. PostgreSQL
    keeps arrivals in the index itself, in a list that is read row by row: this has it sorted in.
    """
    if connection.vendor == "postgresql":
        if _gin_index_stands():
            with connection.cursor() as cursor:
                cursor.execute("SELECT gin_clean_pending_list(%s::regclass)", [GIN_INDEX])
        return 0
    if not has_fts5():
        return 0
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*) FROM {REFS} WHERE id > {UPTO}")
        [whole] = cursor.fetchone()
    done = 0
    while done < whole and (taken := _take_in()):
        done += taken
        if progress:
            progress(done, whole)
    return done


@cache
def has_fts5() -> bool:
    """Whether this SQLite has the trigrams of FTS5; where it has not, searches read every row."""
    try:
        with sqlite3.connect(":memory:") as memory:
            memory.execute("CREATE VIRTUAL TABLE tried USING fts5(text, tokenize = 'trigram')")
    except sqlite3.OperationalError:
        return False
    return True


def _make_gin_index() -> None:
    if _gin_index_stands():
        return
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    except ProgrammingError:  # the database's owner may make it since PostgreSQL 13; others may not
        logger.warning(
            "Searches will be slow: this database user may not make the extension pg_trgm. "
            "Have an administrator run CREATE EXTENSION pg_trgm, then run migrate again."
        )
        return
    with connection.cursor() as cursor:
        cursor.execute(f'CREATE INDEX "{GIN_INDEX}" ON "{REFS}" USING gin (search_text gin_trgm_ops)')
        # Which of two words is the rarer decides where a search begins. A hundred samples, the default, tell
        # too little: a name in 2.5 % of a million refs passed for one in 100 of them.
        cursor.execute(f'ALTER TABLE "{REFS}" ALTER search_text SET STATISTICS 300')
        cursor.execute(f'ANALYZE "{REFS}" (search_text)')


def _gin_index_stands() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [GIN_INDEX])
        return bool(cursor.fetchone()[0])


def _stands() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM sqlite_master WHERE name LIKE %s", [f"{TABLE}%"])
        return {*TRIGGERS, TABLE, f"{TABLE}_upto"} <= {name for (name,) in cursor.fetchall()}


@transaction.atomic
def _make_fts_table() -> None:
    """Empty: every ref counts as just arrived."""
    _drop_triggers()
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {TABLE}")
        cursor.execute(f"DROP TABLE IF EXISTS {TABLE}_upto")
        cursor.execute(
            f"CREATE VIRTUAL TABLE {TABLE} USING fts5(search_text, content = '{REFS}', content_rowid = 'id', "
            "tokenize = 'trigram', detail = none, columnsize = 0)"
        )
        cursor.execute(f"CREATE TABLE {TABLE}_upto (upto INTEGER NOT NULL)")
        cursor.execute(f"INSERT INTO {TABLE}_upto VALUES (0)")
        for name, what in TRIGGERS.items():
            cursor.execute(f"CREATE TRIGGER {name} {what}")


def _drop_triggers() -> None:
    with connection.cursor() as cursor:
        for name in TRIGGERS:
            cursor.execute(f"DROP TRIGGER IF EXISTS {name}")


@transaction.atomic
def _take_in() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT COUNT(*), MAX(id) FROM (SELECT id FROM {REFS} WHERE id > {UPTO} ORDER BY id LIMIT %s)",
            [ROWS_AT_ONCE],
        )
        count, last = cursor.fetchone()
        if count:
            cursor.execute(
                f"INSERT INTO {TABLE}(rowid, search_text) "
                f"SELECT id, search_text FROM {REFS} WHERE id > {UPTO} AND id <= %s",
                [last],
            )
            cursor.execute(f"UPDATE {TABLE}_upto SET upto = %s", [last])
    return count

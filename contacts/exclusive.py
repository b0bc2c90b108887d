"""One process at a time, for work that must not overlap; a killed process lets go at once."""

import fcntl
import hashlib
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from django.db import connection

_TRIES, _INSTANT = 4, 0.01  # seconds
_mine = threading.local()  # what this thread, hence this session, holds: a session gets its own lock twice


class AlreadyRunning(Exception):
    """Another process is at this work now."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is running already.")


def is_at_work(what: str) -> bool:
    """Whether somebody, this thread too, holds the work named `what`; asking gets in nobody's way."""
    if what in _mine.__dict__.get("held", ()):
        return True
    if connection.vendor == "postgresql":
        return _advisory_lock_is_held(what)
    try:
        with _file_lock(what):
            return False
    except AlreadyRunning:
        return True


@contextmanager
def exclusive(what: str) -> Iterator[None]:
    """Hold the work named `what` until the block ends; raises AlreadyRunning when someone holds it already.

    PostgreSQL: an advisory lock of this session. SQLite, which serves one machine: a lock on a file. The
    operating system or the server frees both when the process dies, so nothing ever waits for a dead one.
    """
    held: set[str] = _mine.__dict__.setdefault("held", set())
    if what in held:
        raise AlreadyRunning(what)
    holder = _advisory_lock(what) if connection.vendor == "postgresql" else _file_lock(what)
    with holder:
        held.add(what)
        try:
            yield
        finally:
            held.remove(what)


@contextmanager
def _advisory_lock(what: str) -> Iterator[None]:
    key = _advisory_key(what)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [key])
        if not cursor.fetchone()[0]:
            raise AlreadyRunning(what)
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [key])


def _advisory_key(what: str) -> int:
    return int.from_bytes(hashlib.sha256(f"kore:{what}".encode()).digest()[:8], "big", signed=True)


def _advisory_lock_is_held(what: str) -> bool:
    """Read off the server's list: to try the lock would refuse it to whoever asks at the same moment."""
    key = _advisory_key(what) & 0xFFFF_FFFF_FFFF_FFFF  # the list shows it as two unsigned halves
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            " AND classid::bigint = %s AND objid::bigint = %s)",
            [key >> 32, key & 0xFFFF_FFFF],
        )
        return cursor.fetchone()[0]


@contextmanager
def _file_lock(what: str) -> Iterator[None]:
    database = str(connection.settings_dict["NAME"])
    if "mode=memory" in database:  # such a database is this process's own, whatever its name
        database += str(os.getpid())
    name = hashlib.sha256(f"{database}:{what}".encode()).hexdigest()[:24]
    with (Path(tempfile.gettempdir()) / f"kore-{name}.lock").open("w") as handle:
        _lock_file(handle, what)
        yield


def _lock_file(handle: IO[str], what: str) -> None:
    """A few tries: somebody may hold it for an instant, only to see whether it is held (`is_at_work`)."""
    for tries_left in reversed(range(_TRIES)):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not tries_left:
                raise AlreadyRunning(what) from None
            time.sleep(_INSTANT)
        else:
            return

"""One process at a time, for work that must not overlap; a killed process lets go at once."""

import fcntl
import hashlib
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import connection

_mine = threading.local()  # what this thread, hence this session, holds: a session gets its own lock twice


class AlreadyRunning(Exception):
    """Another process is at this work now."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is running already.")


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
    key = int.from_bytes(hashlib.sha256(f"kore:{what}".encode()).digest()[:8], "big", signed=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [key])
        if not cursor.fetchone()[0]:
            raise AlreadyRunning(what)
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [key])


@contextmanager
def _file_lock(what: str) -> Iterator[None]:
    database = str(connection.settings_dict["NAME"])
    if "mode=memory" in database:  # such a database is this process's own, whatever its name
        database += str(os.getpid())
    name = hashlib.sha256(f"{database}:{what}".encode()).hexdigest()[:24]
    with (Path(tempfile.gettempdir()) / f"kore-{name}.lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(what) from None
        yield

"""A DuckDB of its own for each run: in memory, bounded, gone afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb


@contextmanager
def connect(*, memory_limit: str, threads: int, hash_key: bytes) -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty in-memory database with the macro keyed_hash(kind, term), 32 hexadecimal digits.

    The key is a session variable, so that it stands in no statement and no error message.
    """
    with duckdb.connect(":memory:") as con:
        con.execute(f"set memory_limit = '{memory_limit}'")
        con.execute(f"set threads = {threads}")
        con.execute("set preserve_insertion_order = false")
        con.execute("set enable_progress_bar = false")
        con.execute("set variable hash_key = $key", {"key": hash_key.hex()})
        con.execute("""
            create macro keyed_hash(kind, term) as
            left(sha256(concat(getvariable('hash_key'), '|', kind, '|', term)), 32)
        """)
        yield con

"""Writing many rows at once: COPY on PostgreSQL, executemany on SQLite."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import pyarrow as pa
from django.db import connection, models
from pyarrow import csv

_ROWS_AT_ONCE = 16_384  # of an Arrow table, into one block of CSV


def reserve_ids(model: type[models.Model], count: int) -> list[int]:
    """Fresh primary keys, rising, never given out before or again.

    PostgreSQL takes them from the table's sequence, so two callers never get the same. On SQLite the caller
    must be inside a transaction, which holds the one write lock (`transaction_mode` IMMEDIATE); the rows
    must be written in that transaction, and AUTOINCREMENT then goes on behind them.
    """
    if not count:
        return []
    table, column = model._meta.db_table, model._meta.pk.column
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT ARRAY(SELECT nextval(pg_get_serial_sequence(%s, %s)) FROM generate_series(1, %s))",
                [f'"{table}"', column, count],
            )
            return sorted(cursor.fetchone()[0])
        cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [table])
        found = cursor.fetchone()
        first = (found[0] if found else 0) + 1
        return list(range(first, first + count))


def insert_rows(model: type[models.Model], fields: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    """Insert rows given as tuples in the order of `fields`; returns how many.

    Values are those of Python, a JSONField's already as text. Every field that the database gives no default
    must be named. Constraint violations raise IntegrityError, as with any insert; no signals are sent.
    """
    columns = [model._meta.get_field(name).column for name in fields]
    if connection.vendor == "postgresql":
        return _copy(model._meta.db_table, columns, rows)
    return _executemany(model, fields, columns, rows)


def insert_for_each(
    model: type[models.Model], field: str, values: Sequence[Any], same: Mapping[str, Any]
) -> int:
    """Insert one row for each value of `field`, with the same values in all other fields; returns how many.

    As `insert_rows`, but PostgreSQL is told what all rows share once.
    """
    if connection.vendor != "postgresql":
        shared = tuple(same.values())
        return insert_rows(model, (field, *same), ((value, *shared) for value in values))
    if values:
        written = [model._meta.get_field(name) for name in (field, *same)]
        names = ", ".join(f'"{each.column}"' for each in written)
        first, *others = (each.db_type(connection) for each in written)
        shared_marks = "".join(f", %s::{kind}" for kind in others)
        with connection.cursor() as cursor:
            cursor.execute(
                f'INSERT INTO "{model._meta.db_table}" ({names}) '
                f"SELECT given.value{shared_marks} FROM unnest(%s::{first}[]) AS given(value)",
                [*same.values(), list(values)],
            )
    return len(values)


def insert_table(model: type[models.Model], table: pa.Table) -> int:
    """Insert the rows of an Arrow table whose columns are named like fields; returns how many.

    As `insert_rows`, but on PostgreSQL no Python object is made for any value: several times as fast.
    Moments are timestamps with a time zone.
    """
    if connection.vendor != "postgresql":
        rows = (
            row
            for batch in table.to_batches()
            for row in zip(*(column.to_pylist() for column in batch.columns), strict=True)
        )
        return insert_rows(model, table.column_names, rows)
    names = ", ".join(f'"{model._meta.get_field(name).column}"' for name in table.column_names)
    options = csv.WriteOptions(include_header=False, batch_size=_ROWS_AT_ONCE)
    with (
        connection.cursor() as cursor,
        # Arrow quotes every text and no null, which is how COPY tells a blank from nothing.
        cursor.copy(f'COPY "{model._meta.db_table}" ({names}) FROM STDIN (FORMAT csv)') as copy,
    ):
        csv.write_csv(table, pa.PythonFile(_Sink(copy), mode="w"), options)
    return table.num_rows


class _Sink:
    """COPY's inlet as a file that can be written once."""

    closed = False

    def __init__(self, copy: Any) -> None:
        self._copy = copy

    def write(self, block: bytes) -> None:
        self._copy.write(block)

    def flush(self) -> None:
        """Nothing is held back."""


def update_rows(model: type[models.Model], fields: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    """Update rows that stand, given as tuples of the values of `fields`, then the primary key.

    Values as for `insert_rows`; returns how many were given. PostgreSQL takes them in one statement and
    checks uniqueness row by row inside it: clear first what would stand twice on the way.
    """
    given = list(rows)
    if not given:
        return 0
    written = [model._meta.get_field(name) for name in fields]
    if connection.vendor == "postgresql":
        _update_from_arrays(model, [*written, model._meta.pk], given)
    else:
        _update_one_by_one(model, written, given)
    return len(given)


def _update_from_arrays(
    model: type[models.Model], columns: Sequence[models.Field], rows: Sequence[Sequence[Any]]
) -> None:
    *written, key = columns
    arrays = ", ".join(f"%s::{field.db_type(connection)}[]" for field in columns)
    names = ", ".join(f'"{field.column}"' for field in columns)
    settings = ", ".join(f'"{field.column}" = given."{field.column}"' for field in written)
    with connection.cursor() as cursor:
        cursor.execute(
            f'UPDATE "{model._meta.db_table}" stands SET {settings} FROM unnest({arrays}) AS given({names}) '
            f'WHERE stands."{key.column}" = given."{key.column}"',
            [list(column) for column in zip(*rows, strict=True)],
        )


def _update_one_by_one(
    model: type[models.Model], written: Sequence[models.Field], rows: Sequence[Sequence[Any]]
) -> None:
    adapters = [*(_adapter(field) for field in written), None]
    settings = ", ".join(f'"{field.column}" = %s' for field in written)
    statement = f'UPDATE "{model._meta.db_table}" SET {settings} WHERE "{model._meta.pk.column}" = %s'
    with connection.cursor() as cursor:
        cursor.executemany(
            statement,
            (
                [adapt(value) if adapt else value for value, adapt in zip(row, adapters, strict=True)]
                for row in rows
            ),
        )


def _copy(table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    names = ", ".join(f'"{column}"' for column in columns)
    count = 0
    with connection.cursor() as cursor, cursor.copy(f'COPY "{table}" ({names}) FROM STDIN') as copy:
        for row in rows:
            copy.write_row(row)
            count += 1
    return count


def _executemany(
    model: type[models.Model], fields: Sequence[str], columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> int:
    adapters = [_adapter(model._meta.get_field(name)) for name in fields]
    names = ", ".join(f'"{column}"' for column in columns)
    marks = ", ".join(["%s"] * len(columns))
    count = 0

    def adapted() -> Iterable[list[Any]]:
        nonlocal count
        for row in rows:
            count += 1
            yield [adapt(value) if adapt else value for value, adapt in zip(row, adapters, strict=True)]

    with connection.cursor() as cursor:
        cursor.executemany(f'INSERT INTO "{model._meta.db_table}" ({names}) VALUES ({marks})', adapted())
    return count


def _adapter(field: models.Field) -> Callable[[Any], Any] | None:
    """How SQLite wants the field's values; None where it takes them as they are."""
    if isinstance(field, models.DateField | models.DecimalField):  # a DateTimeField is a DateField too
        # One moment stands on thousands of rows: remembered, it is put into SQLite's words once.
        return lru_cache(maxsize=4096)(lambda value: field.get_db_prep_save(value, connection))
    return None

"""Reading many rows at once: COPY on PostgreSQL, plain cursors on SQLite, straight into Arrow."""

import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa
from django.db import connection
from pyarrow import csv

_ROWS_AT_ONCE = 20_000
_BLOCK_BYTES = 4 * 1024 * 1024


def read_table(sql: str, schema: pa.Schema, params: Sequence[Any] = ()) -> pa.Table:
    """The rows that the query gives, its columns in the order of `schema`.

    A hundred bytes or so per row, no Python object for any. Moments must be read with `moment()`, dates and
    truth values as they are. The query is written by us: nothing from outside belongs into its text.
    """
    if connection.vendor == "postgresql":
        return _copied(sql, schema, params)
    return _fetched(sql, schema, params)


def moment(column: str) -> str:
    """SQL for a timestamp as whole microseconds since 1970, UTC; null stays null."""
    if connection.vendor == "postgresql":
        return f"(extract(epoch from {column}) * 1000000)::bigint"
    # The fraction that SQLite's own date functions would round stands behind the 20th character.
    return (
        f"(CAST(strftime('%%s', {column}) AS integer) * 1000000"
        f" + CAST(substr(substr({column}, 21) || '000000', 1, 6) AS integer))"
    )


def among(column: str, numbers: Iterable[int]) -> tuple[str, list[str]]:
    """SQL and its parameter: the column is one of these numbers, however many there are."""
    text = ",".join(map(str, numbers))
    if connection.vendor == "postgresql":
        return f"{column} = ANY(%s::bigint[])", [f"{{{text}}}"]
    return f"{column} IN (SELECT value FROM json_each(%s))", [f"[{text}]"]


def _copied(sql: str, schema: pa.Schema, params: Sequence[Any]) -> pa.Table:
    options = csv.ConvertOptions(
        column_types=schema,
        true_values=["t"],
        false_values=["f"],
        null_values=[""],  # COPY quotes every blank text, and Arrow's own list takes a Mr. Null for nothing
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    with connection.cursor() as cursor:
        statement = cursor.mogrify(sql, params) if params else sql.replace("%%", "%")
        with cursor.copy(f"COPY ({statement}) TO STDOUT (FORMAT csv)") as copy:
            blocks = io.BufferedReader(_Blocks(copy), _BLOCK_BYTES)
            try:
                return csv.read_csv(
                    pa.PythonFile(blocks, mode="r"),
                    read_options=csv.ReadOptions(column_names=schema.names, block_size=_BLOCK_BYTES),
                    parse_options=csv.ParseOptions(newlines_in_values=True),
                    convert_options=options,
                )
            except pa.ArrowInvalid as error:
                if "Empty CSV file" not in str(error):
                    raise
                return schema.empty_table()


class _Blocks(io.RawIOBase):
    """What COPY sends, as a file that can be read once."""

    def __init__(self, copy: Any) -> None:
        self._copy = copy
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        if not self._rest:
            self._rest = memoryview(self._copy.read())
        taken = min(len(target), len(self._rest))
        target[:taken] = self._rest[:taken]
        self._rest = self._rest[taken:]
        return taken


def _fetched(sql: str, schema: pa.Schema, params: Sequence[Any]) -> pa.Table:
    return pa.Table.from_batches(_batches(sql, schema, params), schema=schema)


def _batches(sql: str, schema: pa.Schema, params: Sequence[Any]) -> Iterator[pa.RecordBatch]:
    with connection.cursor() as cursor:
        cursor.execute(sql, list(params))
        while rows := cursor.fetchmany(_ROWS_AT_ONCE):
            columns = zip(*rows, strict=True)
            yield pa.record_batch(
                [_array(values, kind) for values, kind in zip(columns, schema.types, strict=True)],
                schema=schema,
            )


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_boolean(kind):
        return pa.array([None if value is None else bool(value) for value in values], kind)
    return pa.array(values, kind)

"""Takes the rows of a result in portions that are bounded by bytes too: nobody knows how long rows are."""

from collections.abc import Iterator, Sequence
from typing import Any

from ticketing.connectors.base import TooMuch

PORTION_BYTES = 8 * 1024 * 1024
_FIRST_ROWS = 50
_MOST_AT_ONCE = 1000  # rows asked for in one go: what is in them is known once they are here
_PLAIN_BYTES = 16  # numbers, moments
_SIZED = {str, bytes, bytearray, memoryview}


def portions(result: Any, *, rows: int, most_bytes: int, label: str) -> Iterator[Sequence[Any]]:
    """The rows of a result, at most `rows` and about PORTION_BYTES at once, until there are no more.

    Raises TooMuch for a single row beyond `most_bytes`; `label` is how it calls the query.
    """
    at_once = _FIRST_ROWS
    portion: list[Any] = []
    room = PORTION_BYTES
    while some := result.fetchmany(min(at_once, rows - len(portion))):
        sizes = [_size(row) for row in some]
        if max(sizes) > most_bytes:
            raise TooMuch(
                f"A row of the {label} is larger than {most_bytes // 1024:,} KiB.",
                advice="Leave out the column with the long texts or files.",
            )
        portion += some
        room -= sum(sizes)
        if len(portion) >= rows or room <= 0:
            yield portion
            portion, room = [], PORTION_BYTES
        at_once = max(1, min(at_once * 4, _MOST_AT_ONCE, room // (max(sizes) or 1)))
    if portion:
        yield portion


def _size(row: Sequence[object]) -> int:
    """About how many bytes a row takes."""
    size = 0
    for value in row:
        kind = value.__class__
        if kind in _SIZED:
            size += len(value)  # type: ignore[arg-type]
        elif kind is list or kind is dict:
            size += len(str(value))
        else:
            size += _PLAIN_BYTES
    return size

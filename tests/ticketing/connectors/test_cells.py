"""Values of every kind of source as texts."""

from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from ticketing.connectors.base import BETWEEN_CELLS, LONGEST_CELL, cell, cells

VALUES = [
    (None, ""), ("", ""), ("Ada", "Ada"), (True, "true"), (False, "false"),
    (7, "7"), (12345678901234567890, "12345678901234567890"),
    (7.0, "7"), (7.5, "7.5"), (1e300, "1e+300"), (Decimal("1E+3"), "1000"), (Decimal("12.50"), "12.50"),
    (date(2026, 1, 31), "2026-01-31"),
    (datetime(2026, 1, 31, 18, 30, tzinfo=UTC), "2026-01-31T18:30:00+00:00"),
    (b"caf\xc3\xa9", "café"), (memoryview(b"\xff"), "\ufffd"), (["a", 1], '["a", 1]'),
    ({"é": None}, '{"é": null}'),
    (UUID(int=1), "00000000-0000-0000-0000-000000000001"), (f"a{BETWEEN_CELLS}b\0c", "a\ufffdb\ufffdc"),
    (b"a\0b", "a\ufffdb"), ("x" * (LONGEST_CELL + 5), "x" * LONGEST_CELL), ("line\nbreak\t", "line\nbreak\t"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "text"), VALUES)
def test_a_value_is_told_as_text(value, text):
    assert cell(value) == text
    assert cells([value, "beside"]) == (text, "beside")


def test_a_long_row_of_short_cells_is_left_as_it_is():
    row = ["x" * 600] * 30

    assert cells(row) == tuple(row)

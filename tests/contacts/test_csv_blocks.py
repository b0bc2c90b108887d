"""Blocks of a file give the rows that reading it line by line gives, whatever stands in it."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contacts import csv_table
from contacts.cleaning import Refusal
from contacts.repeats import KeyCount, keys_of
from contacts.row_blocks import LineBlock

PIECES = [
    "a",
    "Ü",
    "7",
    ",",
    ";",
    '"',
    '""',
    "\n",
    "\r\n",
    "\r",
    " ",
    "\0",
    "\x0b",
    "\u2028",
    "\x85",
    "xyz" * 9,
]


def table_of(text):
    data = text.encode()
    return csv_table.CsvTable(io.BytesIO(data), size=len(data), encoding="utf-8", errors="replace")


def rows_of_blocks(table, columns):
    found = []
    for block in table.blocks(columns):
        rows = [block.row(index) for index in range(len(block))]
        assert len(block.texts()) == len(block.column(0)) == len(rows)
        found += [row for row in rows if row is not None]
    return found


@given(st.lists(st.sampled_from(PIECES), max_size=60).map("".join), st.booleans())
@settings(max_examples=400, deadline=None)
def test_blocks_give_the_rows_of_the_file_with_their_lines_whatever_stands_in_it(body, are_all):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_table, "_BLOCK", 12)
        patch.setattr(csv_table, "LONGEST_LINE", 60)
        one_by_one = list(table_of("k,b,c\n" + body).rows())
        table = table_of("k,b,c\n" + body)

        in_blocks = rows_of_blocks(table, [0, 1, 2] if are_all else [0, 2])
        again = rows_of_blocks(table, [0, 1, 2])

    assert in_blocks == again == one_by_one


@given(
    st.lists(
        st.lists(st.text(st.sampled_from('ab,"\n \0\r')), min_size=3, max_size=3),
        min_size=1,
        max_size=8,
    )
)
@settings(max_examples=200, deadline=None)
def test_equal_texts_mean_equal_cells_and_quotes_make_no_difference(rows):
    plain, quoted = io.StringIO(newline=""), io.StringIO(newline="")
    for stream, quoting in ((plain, csv.QUOTE_MINIMAL), (quoted, csv.QUOTE_ALL)):
        csv.writer(stream, quoting=quoting).writerows([["k", "b", "c"], *rows])

    read = []
    for stream in (plain, quoted):
        for block in table_of(stream.getvalue()).blocks([0, 1, 2]):
            found = [(block.row(index), text) for index, text in enumerate(block.texts())]
            read.append([(row[1], text) for row, text in found if row is not None])

    assert sorted(read[0]) == sorted(read[1])
    # Texts of rows that are taken hold no NUL within a cell; any other row has one too many for them.
    taken = {text: cells for cells, text in read[0] if "\0" not in "".join(cells)}
    assert all(taken.get(text, cells) == cells for cells, text in read[0])


def test_lines_without_quotes_are_not_cut_into_cells_before_they_have_to_be():
    [block] = table_of("k,b\r\n1,Ann\r\n2,Bö\r\n").blocks([0, 1])

    assert isinstance(block, LineBlock)
    assert block.texts() == [b"1\0Ann", "2\0Bö".encode()]
    assert block.column(1) == ["Ann", "Bö"]


def test_a_column_that_is_left_out_makes_no_difference_to_a_text():
    [first] = table_of("k,seen,b\n1,monday,Ann\n").blocks([0, 2])
    [second] = table_of("k,seen,b\n1,friday,Ann\n").blocks([0, 2])

    assert first.texts() == second.texts()


def test_a_row_with_too_few_or_too_many_cells_has_no_text_among_cells_that_were_read():
    [block] = table_of('k,b,c\n"1",2\n1,2,3,4\n1,2,3\n').blocks([0, 2])

    assert block.texts() == [None, None, b"1\x003"]
    assert block.column(1) == ["2", "2", "2"]


def test_a_line_too_long_costs_itself_alone_among_blocks():
    rows = rows_of_blocks(table_of(f"k,b\n1,{'x' * 3_000_000}\n2,Ann\n"), [0, 1])

    assert isinstance(rows[0], Refusal)
    assert rows[1:] == [(3, ["2", "Ann"])]


def test_keys_that_stand_twice_are_found_as_cleaning_reads_them():
    count = KeyCount()

    count.add(
        keys_of(["1", " 1 ", "2", "Ü", "U\u0308", "n/a", "-", "N/A", "", "'=3", "=3"], is_returned=True)
    )

    assert count.repeated() == {hash("1"): 2, hash("Ü"): 2, hash("=3"): 2}

"""Files as they come: encodings, delimiters, spreadsheets, and everything that can be wrong with one."""

import datetime as dt
import io
import zipfile
from zoneinfo import ZoneInfo

import openpyxl
import pytest

from contacts.cleaning import Reading, Refusal, RowCleaner, Unreadable, read_moment
from contacts.import_files import BadMap, FileRefused, lay_out, open_table, unescape_formula
from contacts.resources import SystemRefResource
from contacts.services.arrivals import Arrival

LIMIT = 50_000_000
READING = Reading(zone=ZoneInfo("Europe/London"), today=dt.date(2026, 3, 2))
SYSTEM_REF_COLUMNS = SystemRefResource.columns()
OURS = [column.name for column in SYSTEM_REF_COLUMNS]


def table_of(content, *, limit=LIMIT):
    data = content.encode() if isinstance(content, str) else content
    return open_table(io.BytesIO(data), max_bytes=limit)


def read(content):
    table = table_of(content)
    return table.header, list(table.rows())


def workbook(*rows):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def clean(reading=READING, **values):
    cells = {"system_ref": "1", **values}
    layout = lay_out(list(cells), ours=OURS, required=["system_ref"], column_map={})
    cleaner = RowCleaner(SYSTEM_REF_COLUMNS, layout.positions, Arrival._make, reading, len(cells))
    return cleaner.clean(2, list(cells.values()))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_encodings_and_delimiters_are_recognised(encoding, delimiter):
    text = "\r\n".join(delimiter.join(row) for row in [("system_ref", "last_name"), ("1", "Müller – né")])

    assert read(text.encode(encoding)) == (["system_ref", "last_name"], [(2, ["1", "Müller – né"])])


def test_quoted_newlines_blank_lines_and_excels_own_separator_line_are_understood():
    header, rows = read('sep=;\nsystem_ref;address1\n\n1;"12 Quay St\nLeeds"\n2;x\n')

    assert header == ["system_ref", "address1"]
    assert rows == [(4, ["1", "12 Quay St\nLeeds"]), (6, ["2", "x"])]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "The file is empty."),
        (b"  \n \n", "The file is empty."),
        (bytes(range(256)) * 50, "This is neither a CSV nor an XLSX file: it holds no text."),
        (b"\x89PNG\r\n\x1a\n", "This is neither a CSV nor an XLSX file: it is a picture."),
        (b"\xd0\xcf\x11\xe0 old", "it is an old Excel file"),
        (b"PK\x03\x04 broken", "The XLSX file is damaged"),
        (b"\x00\x01\x02" * 10 + b"\n1\n", "it holds no text"),
    ],
)
def test_what_is_no_table_is_refused_with_a_sentence(content, reason):
    with pytest.raises(FileRefused, match=reason):
        table_of(content)


def test_a_file_above_the_limit_is_refused_naming_both_sizes():
    with pytest.raises(FileRefused, match=r"The file has 2\.0 MB; at most 1\.0 MB are taken\."):
        table_of(b"x" * 2 * 1024 * 1024, limit=1024 * 1024)


def test_a_header_alone_has_no_rows():
    assert read("system_ref,email\n") == (["system_ref", "email"], [])


def test_a_cell_of_ten_megabytes_is_refused_and_the_rows_after_it_are_read():
    header, rows = read(f"system_ref,email\n1,{'x' * 10_000_000}\n2,ann@example.org\n")

    assert isinstance(rows[0], Refusal)
    assert rows[0].reason.startswith("A cell is longer than 131,072 characters")
    assert rows[1] == (3, ["2", "ann@example.org"])


def test_bytes_in_another_encoding_cost_their_row_not_the_file():
    text = "system_ref,last_name\n" + "".join(f"{n},Müller\n" for n in range(50))
    data = text.encode() + "99,Jürgen\n".encode("latin-1")

    _, rows = read(data)
    last = RowCleaner(SYSTEM_REF_COLUMNS, {"system_ref": 0, "last_name": 1}, Arrival._make, READING, 2).clean(
        *rows[-1]
    )

    assert rows[0] == (2, ["0", "Müller"])
    assert last.reason == "A character was lost: the file was saved in another encoding once."


def test_a_spreadsheet_gives_its_dates_numbers_and_computed_values_as_text():
    content = workbook(
        ["system_ref", "date_of_birth", "updated_at", "phone", "note"],
        [1001, dt.date(1980, 2, 28), dt.datetime(2026, 3, 1, 9, 30), 447700900123.0, None],  # noqa: DTZ001
        [None, None, None, None, None],
        ["A-2", "28.02.1980", None, None, "=1+1"],
    )

    header, rows = read(content)

    assert header == ["system_ref", "date_of_birth", "updated_at", "phone", "note"]
    assert rows == [
        (2, ["1001", "1980-02-28", "2026-03-01 09:30:00", "447700900123", ""]),
        (4, ["A-2", "28.02.1980", "", "", ""]),  # a formula never computed has no value
    ]


def test_a_spreadsheet_that_unpacks_to_too_much_is_refused():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("xl/workbook.xml", "<workbook/>")
        package.writestr("xl/worksheets/sheet1.xml", b"0" * 5_000_000)

    with pytest.raises(FileRefused, match="unpacks to more than is taken"):
        table_of(stream.getvalue(), limit=1_000_000)


def test_a_zip_archive_that_is_no_workbook_is_refused():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as package:
        package.writestr("fans.csv", "system_ref\n1\n")

    with pytest.raises(FileRefused, match="without a workbook"):
        table_of(stream.getvalue())


def lay(header, column_map=None):
    return lay_out(header, ours=OURS, required=["system_ref"], column_map=column_map or {})


def test_columns_are_found_whatever_their_case_blanks_and_underscores_and_others_are_named():
    layout = lay(["System Ref", "E-Mail", "FIRSTNAME", "Shoe size", "", "Shoe size"])

    assert layout.positions == {"system_ref": 0, "email": 1, "first_name": 2}
    assert layout.ignored == ["Shoe size"]


def test_a_map_goes_before_names_that_are_alike():
    layout = lay(["Cust No", "system_ref", "Mail"], {"cust no": "system_ref", "Mail": "email"})

    assert layout.positions == {"system_ref": 0, "email": 2}
    assert layout.ignored == ["system_ref"]


@pytest.mark.parametrize(
    ("header", "column_map", "refusal", "reason"),
    [
        (["email"], {}, FileRefused, r"The header lacks system_ref\. It holds: email\."),
        (["system_ref", "E-mail", "email"], {}, FileRefused, "The column email stands twice"),
        (["system_ref"], {"system_ref": "shoes"}, BadMap, "“shoes” is none of our columns: system_ref,"),
        (
            ["system_ref"],
            {"shoes": "email"},
            BadMap,
            r"The file has no column “shoes”\. It has: system_ref\.",
        ),
    ],
)
def test_a_header_that_does_not_do_is_refused_with_a_sentence(header, column_map, refusal, reason):
    with pytest.raises(refusal, match=reason):
        lay(header, column_map)


def test_a_file_of_rejected_rows_is_recognised_and_its_own_columns_are_not_named():
    layout = lay(["system_ref", "shoes", "line", "column", "value", "reason"])

    assert (layout.is_returned, layout.ignored) == (True, ["shoes"])


@pytest.mark.parametrize(
    ("written", "meant"),
    [("'=1+1", "=1+1"), ("'+a\\|b", "+a|b"), ("'s-Gravenhage", "'s-Gravenhage"), ("x", "x")],
)
def test_escaped_formulas_of_a_returned_file_are_what_they_were(written, meant):
    assert unescape_formula(written) == meant


def test_values_are_trimmed_composed_and_their_blanks_made_one():
    row = clean(first_name=" Ann\t\n Marie ", last_name="Mu\u0308ller\u200b", city="Bad\u00a0Ems")

    assert (row.first_name, row.last_name, row.city) == ("Ann Marie", "Müller", "Bad Ems")


@pytest.mark.req("C-20")
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("last_name", "n/a"),
        ("last_name", " - "),
        ("last_name", "NULL"),
        ("company", "Unknown"),
        ("email", "none@none.com"),
        ("email", "noemail"),
        ("email", "noemail@ourclub.com"),
        ("phone", "0000000000"),
        ("mobile", "+11 1111 1111"),
        ("date_of_birth", "1900-01-01"),
        ("date_of_birth", "1970-01-01"),
        ("city", "#N/A"),
    ],
)
def test_placeholders_are_blanks(column, value):
    row = clean(**{column: value})

    assert getattr(row, column) == (None if column == "date_of_birth" else "")


@pytest.mark.parametrize(
    ("column", "value", "kept"),
    [
        ("country", "gbr", "GB"),
        ("country", "Germany", "DE"),
        ("country", "NA", "NA"),
        ("country", "UK", "GB"),
        ("language", "en_GB", "en-GB"),
        ("last_name", "Na", "Na"),
        ("email", "O'Neil+fan@Sub.Example.co.uk", "O'Neil+fan@Sub.Example.co.uk"),
        ("first_name", "=HYPERLINK(1)", "=HYPERLINK(1)"),
        ("date_of_birth", "19800228", dt.date(1980, 2, 28)),
        ("date_of_birth", "1980-02-28 00:00:00", dt.date(1980, 2, 28)),
        ("updated_at", "2026-06-01 09:30", dt.datetime(2026, 6, 1, 8, 30, tzinfo=dt.UTC)),
        ("updated_at", "2026-06-01T09:30:00+02:00", dt.datetime(2026, 6, 1, 7, 30, tzinfo=dt.UTC)),
        ("updated_at", "2026-01-01", dt.datetime(2026, 1, 1, tzinfo=dt.UTC)),
    ],
)
def test_values_are_kept_in_one_notation(column, value, kept):
    assert getattr(clean(**{column: value}), column) == kept


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("system_ref", " ", "It is blank, and must not be."),
        ("system_ref", "null", "It is blank, and must not be."),
        ("last_name", "Mar\0low", "It holds the control character U+0000."),
        ("last_name", "Mar\x1blow", "It holds the control character U+001B."),
        ("last_name", "x" * 151, "It is 151 characters long; 150 are the most."),
        ("email", "ann@", "It is not an e-mail address; write it like ann@example.org."),
        ("email", "a@b.org, c@d.org", "It is not an e-mail address; write it like ann@example.org."),
        ("country", "Atlantis", "It is not a country; write GB, GBR or United Kingdom."),
        ("language", "Klingon!", "It is not a language tag; write it like en or en-GB."),
        ("date_of_birth", "2026-03-03", "It lies in the future."),
        ("date_of_birth", "1889-12-31", "It lies before 1890."),
        (
            "date_of_birth",
            "28/02/1980",
            "It is not a date in ISO form; write 1980-02-28, or give the date format.",
        ),
        (
            "date_of_birth",
            "1980-02-28 10:00",
            "It holds a time of day; write the date alone, like 1980-02-28.",
        ),
        ("updated_at", "0001-01-01", "The year 1 cannot be meant."),
    ],
)
def test_what_cannot_be_taken_is_named_with_its_column_value_and_reason(column, value, reason):
    refusal = clean(**{column: value})

    assert refusal == Refusal(2, column, value, reason)


@pytest.mark.req("D-19")
def test_dates_in_the_files_own_format_are_read_and_iso_still_is():
    reading = Reading(zone=READING.zone, today=READING.today, date_format="%d/%m/%Y")

    assert clean(reading, date_of_birth="28/02/1980").date_of_birth == dt.date(1980, 2, 28)
    assert clean(reading, date_of_birth="1980-02-28").date_of_birth == dt.date(1980, 2, 28)
    assert clean(reading, date_of_birth="02/28/1980").reason == (
        "It is not a date; write 1980-02-28, or as the date format %d/%m/%Y says, such as 01/03/2026."
    )
    assert read_moment("28/02/2026 14:05", reading) == dt.datetime(2026, 2, 28, 14, 5, tzinfo=dt.UTC)


def test_a_moment_that_is_none_is_unreadable():
    with pytest.raises(Unreadable, match="It is not a moment in ISO form"):
        read_moment("yesterday", READING)


@pytest.mark.parametrize(
    ("cells", "is_row"), [(["1"], False), (["1", "a", ""], True), (["1", "a", "b"], False)]
)
def test_rows_with_other_cells_than_the_header_are_refused_unless_blank(cells, is_row):
    cleaner = RowCleaner(
        SYSTEM_REF_COLUMNS, {"system_ref": 0, "first_name": 1}, Arrival._make, READING, width=2
    )

    row = cleaner.clean(2, cells)

    assert isinstance(row, Arrival) == is_row
    assert is_row or row.reason.startswith(f"The row has {len(cells)} cells, the header 2")

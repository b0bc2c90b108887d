"""From what stands in a file to values that may be stored: one row at a time, or why not; no database."""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Any, Generic, NamedTuple, TypeVar

import pycountry

Row = TypeVar("Row")

# What people and programs write where nothing is known (C-20); compared without case.
PLACEHOLDERS = frozenset((
    "n/a", "n.a.", "n\\a", "-", "--", "---", ".", "..", "?", "null", "none", "nil", "nan", "unknown",
    "not known", "not given", "not provided", "not applicable", "undefined", "(blank)", "(none)",
    "#n/a", "#value!", "#ref!", "#name?", "#div/0!", "#null!", "#num!",
))  # fmt: skip
LONGEST_PLACEHOLDER = max(map(len, PLACEHOLDERS))
PLACEHOLDER_MAILBOXES = frozenset(
    ("none", "noemail", "no-email", "no.email", "no_email", "nomail", "no-mail")
)
PLACEHOLDER_DOMAINS = frozenset(("none.com", "noemail.com", "nomail.com", "na.com", "null.com"))
PLACEHOLDER_BIRTHS = frozenset((date(1900, 1, 1), date(1901, 1, 1), date(1970, 1, 1)))
FIRST_BIRTH_YEAR = 1890
YEARS = range(1900, 2200)
MOST_REMEMBERED = 20_000  # values of a column

_ODD = re.compile("[\x00-\x1f\x7f-\x9f\ufffd]|\\s\\s")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
_EMAIL = re.compile(r"[^@\s,;<>()\"]+@(?:[^@\s.,;<>()\"]+\.)+[^@\s.,;<>()\"]{2,}")
_SAME_DIGIT = re.compile(r"\D*(\d)(?:\D*\1){5,}\D*")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_COUNTRY_NAMES = {
    "UK": "GB", "GREAT BRITAIN": "GB", "ENGLAND": "GB", "SCOTLAND": "GB", "WALES": "GB",
    "NORTHERN IRELAND": "GB", "UNITED STATES OF AMERICA": "US", "HOLLAND": "NL", "RUSSIA": "RU",
    "TURKEY": "TR", "SOUTH KOREA": "KR", "IVORY COAST": "CI", "KOSOVO": "XK",
}  # fmt: skip


class Refusal(NamedTuple):
    """A row that did not go in, and why; `is_held` when it waits for someone instead of being wrong."""

    line: int
    column: str
    value: str
    reason: str
    is_held: bool = False


class Unreadable(ValueError):
    """A value that cannot be taken; says what would be."""


@dataclass(frozen=True)
class Reading:
    """How one file writes its values: `date_format` as for strptime, blank for ISO dates only.

    `is_typed`: a person typed them, who has no date format to give.
    """

    zone: tzinfo
    today: date
    date_format: str = ""
    is_typed: bool = False


@dataclass(frozen=True)
class Column:
    """One column of a file. `read` takes the cleaned text, never blank, and may raise Unreadable.

    `repeats` when many rows hold the same value: what was read of it once is remembered.
    """

    name: str
    read: Callable[[str, Reading], Any]
    limit: int = 200
    is_required: bool = False
    blank: Any = ""
    repeats: bool = False

    def value_of(self, text: str, reading: Reading) -> Any:
        """The value that a tidy text stands for; placeholders are blank. Raises Unreadable."""
        length = len(text)
        # is_placeholder, in place: this is asked for each value of each row
        if not length or (length <= LONGEST_PLACEHOLDER and text.lower() in PLACEHOLDERS):
            value = self.blank
        elif length > self.limit:
            raise Unreadable(f"It is {length:,} characters long; {self.limit} are the most.")
        else:
            value = self.read(text, reading) if self.read is not read_text else text
        if self.is_required and value == self.blank:
            raise Unreadable("It is blank, and must not be.")
        return value


@dataclass
class RowCleaner(Generic[Row]):
    """Turns the cells of a row into `make([line, value of each column...])`, or says why not.

    `positions` tells for each of our columns in which cell of the file it stands.
    """

    columns: Sequence[Column]
    positions: dict[str, int]
    make: Callable[[list[Any]], Row]
    reading: Reading
    width: int
    _present: list[tuple[int, int, Column, dict[str, Any]]] = field(init=False)

    def __post_init__(self) -> None:
        self._present = [
            (index, self.positions[column.name], column, {"": column.blank} if not column.is_required else {})
            for index, column in enumerate(self.columns, start=1)
            if column.name in self.positions
        ]
        self._template = [0, *(column.blank for column in self.columns)]

    def clean(self, line: int, cells: Sequence[str]) -> Row | Refusal:
        """The row; blanks around and within values, placeholders and odd notations gone."""
        if len(cells) != self.width and (len(cells) < self.width or any(cells[self.width :])):
            reason = (
                f"The row has {len(cells)} cells, the header {self.width}: quotes or delimiters are missing."
            )
            return Refusal(line, "", "", reason)
        is_odd = not is_plain("|".join(cells))
        values = self._template.copy()
        values[0] = line
        for index, position, column, remembered in self._present:
            text = cells[position]
            if text in remembered:
                values[index] = remembered[text]
                continue
            try:
                tidied = tidy(text) if is_odd else text.strip()
                value = values[index] = column.value_of(tidied, self.reading)
            except Unreadable as why:
                return Refusal(line, column.name, text, str(why))
            if column.repeats and len(remembered) < MOST_REMEMBERED:
                remembered[text] = value
        return self.make(values)


def is_plain(text: str) -> bool:
    """Whether the text is tidy but for blanks around it; what is plain together is plain in each part."""
    return text.isascii() and not _ODD.search(text)


def is_placeholder(text: str) -> bool:
    """Whether a tidy text is what people and programs write where nothing is known."""
    return len(text) <= LONGEST_PLACEHOLDER and text.lower() in PLACEHOLDERS


def tidy(text: str) -> str:
    """The text with each run of blanks as one, composed letters, and nothing invisible."""
    if is_plain(text):
        return text.strip()
    if "\ufffd" in text:
        raise Unreadable("A character was lost: the file was saved in another encoding once.")
    if control := _CONTROL.search(text):
        raise Unreadable(f"It holds the control character U+{ord(control.group()):04X}.")
    return " ".join(_INVISIBLE.sub("", unicodedata.normalize("NFC", text)).split())


def read_text(text: str, _reading: Reading) -> str:
    return text


def read_email(text: str, _reading: Reading) -> str:
    """An address as written; one that stands for "no e-mail" is blank."""
    mailbox, _, domain = text.lower().partition("@")
    if mailbox in PLACEHOLDER_MAILBOXES or domain in PLACEHOLDER_DOMAINS:
        return ""
    if not _EMAIL.fullmatch(text):
        raise Unreadable("It is not an e-mail address; write it like ann@example.org.")
    return text


def read_phone(text: str, _reading: Reading) -> str:
    """A number as written: whose country it is, matching finds out. 0000000000 and its like are blank."""
    return "" if _SAME_DIGIT.fullmatch(text) else text


def read_country(text: str, _reading: Reading) -> str:
    """Two letters, from two or three letters of ISO 3166 or the English name."""
    code = _country_codes().get(text.upper())
    if code is None:
        raise Unreadable("It is not a country; write GB, GBR or United Kingdom.")
    return code


@lru_cache(maxsize=1)
def _country_codes() -> dict[str, str]:
    codes = dict(_COUNTRY_NAMES)
    for country in pycountry.countries:
        for name in ("alpha_2", "alpha_3", "name", "official_name", "common_name"):
            if written := getattr(country, name, None):
                codes[written.upper()] = country.alpha_2
    return codes


def read_language(text: str, _reading: Reading) -> str:
    """A tag of BCP 47 such as en-GB; en_GB is taken for it."""
    tag = text.replace("_", "-")
    if not _LANGUAGE.fullmatch(tag):
        raise Unreadable("It is not a language tag; write it like en or en-GB.")
    return tag


def read_date(text: str, reading: Reading) -> date:
    """A day: ISO, else as the file's date format says (DECISIONS 19)."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        moment = _moment(text, reading, what="a date", example="1980-02-28")
        if moment.time() != datetime.min.time():
            raise Unreadable("It holds a time of day; write the date alone, like 1980-02-28.") from None
        day = moment.date()
    return day


def read_day(text: str, reading: Reading) -> date:
    """A day that something takes place."""
    day = read_date(text, reading)
    if day.year not in YEARS:
        raise Unreadable(f"The year {day.year} cannot be meant.")
    return day


def read_birth(text: str, reading: Reading) -> date | None:
    """A date of birth that someone alive may have; 1900-01-01 and its like are blank."""
    day = read_date(text, reading)
    if day in PLACEHOLDER_BIRTHS:
        return None
    if day > reading.today:
        raise Unreadable("It lies in the future.")
    if day.year < FIRST_BIRTH_YEAR:
        raise Unreadable(f"It lies before {FIRST_BIRTH_YEAR}.")
    return day


def read_moment(text: str, reading: Reading) -> datetime:
    """A moment in UTC; one without a time zone is the organisation's, one without a time its midnight."""
    moment = _moment(text, reading, what="a moment", example="2026-03-12 14:05 or 2026-03-12T14:05:00Z")
    if moment.year not in YEARS:
        raise Unreadable(f"The year {moment.year} cannot be meant.")
    return (moment if moment.tzinfo else moment.replace(tzinfo=reading.zone)).astimezone(UTC)


def _moment(text: str, reading: Reading, *, what: str, example: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    if not reading.date_format:
        or_else = "" if reading.is_typed else ", or give the date format"
        raise Unreadable(f"It is not {what} in ISO form; write {example}{or_else}.")
    for clock in ("", " %H:%M", " %H:%M:%S"):
        try:
            return datetime.strptime(text, reading.date_format + clock)  # noqa: DTZ007  (the caller adds the zone)
        except ValueError:
            continue
    raise Unreadable(
        f"It is not {what}; write {example}, or as the date format {reading.date_format} says, such as "
        f"{(reading.today - timedelta(days=1)).strftime(reading.date_format)}."
    )

"""What a source says of one account, in our words, and whether a change still fits what it says."""

import re
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import phonenumbers

from contacts.cleaning import Reading, Unreadable, tidy
from contacts.models import Organisation
from contacts.models.history import as_text
from contacts.models.person_details import DETAIL_FIELDS
from contacts.resources import SystemRefResource
from contacts.services.typed_values import PHONE_FIELDS
from ticketing.connectors.base import Account, DataSet
from ticketing.models import SourceConnection
from ticketing.services.staging import Lot

# In these marks and capitals are ways of writing; elsewhere one mark may tell two people apart.
_WORDS = ("title", "first_name", "last_name", "company", "address1", "address2", "city")
_MARKS = re.compile(r"[\W_]+")
_BETWEEN_DIGITS = re.compile(r"(?<=\d)[\W_]+(?=\d)")


def said_of(account: Account, connection: SourceConnection, *, now: datetime) -> dict[str, str | None]:
    """By our detail fields, what the account says, read as a pull reads it and written as history does.

    None for what cannot be read; fields that nothing is mapped to are not there. Raises ChangedSchema.
    """
    layout = Lot(f"{DataSet.ACCOUNTS.value}.0", tuple(account.values)).layout(connection)
    zone = zoneinfo.ZoneInfo(connection.time_zone or Organisation.load().time_zone)
    reading = Reading(zone=zone, today=now.astimezone(zone).date(), date_format=connection.date_format)
    columns = {column.name: column for column in SystemRefResource.columns()}
    texts = list(account.values.values())
    said: dict[str, str | None] = {}
    for name in DETAIL_FIELDS:
        if name in layout.positions:
            try:
                value = columns[name].value_of(tidy(texts[layout.positions[name]]), reading)
            except Unreadable:
                said[name] = None
            else:
                said[name] = as_text(value)
    return said


@dataclass
class Standing:
    """How a change stands at its source: fields that say so already, that wait, that say something else."""

    done: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)


def standing_of(
    values: Mapping[str, str],
    said: Mapping[str, str | None],
    *,
    known: Mapping[str, set[str]],
    blanks_count: bool,
    country: str,
) -> Standing:
    """Hold what is wanted against what the source says; `known` are the values that may be replaced.

    A blank says nothing unless `blanks_count`, nor does what cannot be read, or a column that is not there.
    What is the wanted value in another notation is what the source made of it; telephone numbers without
    their country's code are of `country` (ISO 3166).
    """
    standing = Standing()
    for name, wanted in values.items():
        theirs = said.get(name)
        if theirs == wanted:
            standing.done.append(name)
        elif theirs is None or theirs in known[name] or (not theirs and not blanks_count):
            standing.waiting.append(name)
        elif _is_same(name, theirs, wanted, country=country):
            standing.done.append(name)
        else:
            standing.other.append(name)
    return standing


def _is_same(name: str, one: str, other: str, *, country: str) -> bool:
    """Whether two texts of a field mean the same, written in two ways."""
    if name in PHONE_FIELDS:
        return _dialled(one, country) == _dialled(other, country)
    if name in _WORDS:
        return _bare(one) == _bare(other)
    if name == "postcode":
        return "".join(_bare(one)) == "".join(_bare(other))
    return name == "email" and one.casefold() == other.casefold()


def _dialled(text: str, country: str) -> object:
    """The number that a telephone number stands for; its digits, where it is none."""
    try:
        return phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return re.sub(r"\D", "", text)


def _bare(text: str) -> list[str]:
    """The text without marks and capitals, parted where marks part digits: 1/12 is not 11/2."""
    return [_MARKS.sub("", part).casefold() for part in _BETWEEN_DIGITS.split(text)]

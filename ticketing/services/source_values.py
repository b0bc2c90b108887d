"""What a source says of one account, in our words, and whether a change still fits what it says."""

import re
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from contacts.cleaning import Reading, Unreadable, tidy
from contacts.models import Organisation
from contacts.models.history import as_text
from contacts.models.person_details import DETAIL_FIELDS
from contacts.resources import SystemRefResource
from ticketing.connectors.base import Account, DataSet
from ticketing.models import SourceConnection
from ticketing.services.staging import Lot

_MARKS = re.compile(r"[\W_]+")


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
) -> Standing:
    """Hold what is wanted against what the source says; `known` are the values that may be replaced.

    A blank says nothing unless `blanks_count`, nor does what cannot be read, or a column that is not there.
    What differs from the wanted value by marks and capitals only is what the source made of it.
    """
    standing = Standing()
    for name, wanted in values.items():
        theirs = said.get(name)
        if theirs == wanted:
            standing.done.append(name)
        elif theirs is None or theirs in known[name] or (not theirs and not blanks_count):
            standing.waiting.append(name)
        elif _bare(theirs) == _bare(wanted):
            standing.done.append(name)
        else:
            standing.other.append(name)
    return standing


def _bare(text: str) -> str:
    return _MARKS.sub("", text).casefold()

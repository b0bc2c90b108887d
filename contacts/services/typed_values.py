"""What a person typed about somebody, read as an import would store it, or why it cannot be."""

import zoneinfo
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

import phonenumbers

from contacts.cleaning import Reading, Unreadable, tidy
from contacts.models import Organisation
from contacts.resources import SystemRefResource

PHONE_FIELDS = ("phone", "mobile")


class Wrong(Exception):
    """Some values cannot be taken; `errors` says why, by field, and `readable` is what the others are."""

    def __init__(self, errors: Mapping[str, str], readable: Mapping[str, Any] | None = None) -> None:
        super().__init__(" ".join(errors.values()))
        self.errors = dict(errors)
        self.readable = dict(readable or {})


def typed_text(value: Any) -> str:
    """What was typed, without blanks around it; dates in ISO form, nothing as an empty text.

    What cannot be read is as it is: whoever reads it says so.
    """
    try:
        return _tidied(value)
    except Unreadable:
        return str(value)


def read_typed(values: Mapping[str, Any], fields: Iterable[str], *, now: datetime) -> dict[str, Any]:
    """The values of these detail fields as a System Ref stores them; one not given is blank. Raises Wrong."""
    zone = zoneinfo.ZoneInfo(Organisation.load().time_zone)
    reading = Reading(zone=zone, today=now.astimezone(zone).date(), is_typed=True)
    columns = {column.name: column for column in SystemRefResource.columns()}
    details: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for name in fields:
        try:
            details[name] = columns[name].value_of(_tidied(values.get(name)), reading)
        except Unreadable as why:
            errors[name] = str(why)
    if errors:
        raise Wrong(errors, details)
    return details


def check_phones(details: Mapping[str, Any], *, country: str) -> None:
    """Raise Wrong for a telephone number that nobody could dial from this country (ISO 3166)."""
    errors = {
        name: f"Nobody could dial this from {country}; write it as there, or with + and its country's code."
        for name in PHONE_FIELDS
        if details.get(name) and not _is_dialable(details[name], country)
    }
    if errors:
        raise Wrong(errors)


def _tidied(value: Any) -> str:
    if value is None:
        return ""
    return tidy(value.isoformat() if isinstance(value, date) else str(value))


def _is_dialable(text: str, country: str) -> bool:
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(text, country))
    except phonenumbers.NumberParseException:
        return False

"""How a value of one System Ref stands to the golden one: the same, alike, different or blank."""

import re
import unicodedata
from datetime import date
from difflib import SequenceMatcher
from enum import StrEnum
from typing import Any

import phonenumbers

_ALIKE_FROM = 0.78
_PHONES = ("phone", "mobile")
_NAMES = ("first_name", "last_name")


class Difference(StrEnum):
    """What is marked on a value."""

    SAME = "same"
    ALIKE = "alike"
    OTHER = "other"
    BLANK = "blank"


def difference(field: str, value: Any, golden: Any, *, country: str) -> Difference:
    """How `value` stands to the golden value of the field; for the eye only, nothing is decided by it."""
    if value in (None, ""):
        return Difference.BLANK
    if golden in (None, ""):
        return Difference.OTHER
    one, other = _plain(field, value, country), _plain(field, golden, country)
    if one == other:
        return Difference.SAME
    return Difference.ALIKE if _alike(field, one, other) else Difference.OTHER


def _plain(field: str, value: Any, country: str) -> str:
    if field in _PHONES:
        return _national(str(value), country)
    if isinstance(value, date):
        return value.isoformat()
    text = unicodedata.normalize("NFKD", str(value)).encode("ascii", "ignore").decode() or str(value)
    return re.sub(r"[\s.,'’-]+", "" if field == "postcode" else " ", text).strip().casefold()


def _national(phone: str, country: str) -> str:
    try:
        return str(phonenumbers.parse(phone, country).national_number)
    except phonenumbers.NumberParseException:
        return re.sub(r"\D", "", phone)


def _alike(field: str, one: str, other: str) -> bool:
    if field in _NAMES and one and other and one[0] == other[0] and 1 in (len(one), len(other)):
        return True  # an initial
    return SequenceMatcher(None, one, other).ratio() >= _ALIKE_FROM

"""The columns of each import and export file about purchases."""

import re
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache

import pycountry
from django.db.models import TextChoices

from contacts.cleaning import Column, Reading, Unreadable, read_day, read_moment, read_text
from ticketing.models import Purchase

_AMOUNT = re.compile(r"[+-]?\d{1,10}(\.\d+)?")
_SEATS = re.compile(r"\d{1,6}(\.0+)?")
_LONGEST_NOTATION = 60


def read_amount(text: str, _reading: Reading) -> Decimal:
    """An amount with a dot before the cents; a comma is refused, since it may mean thousands."""
    if "," in text:
        raise Unreadable("It holds a comma; write amounts like 1234.50.")
    if not _AMOUNT.fullmatch(text):
        raise Unreadable("It is not an amount; write it like 12.50, without a currency sign.")
    amount = Decimal(text)
    if amount != round(amount, 2):
        raise Unreadable("It has more than two places after the dot.")
    return round(amount, 2)


def read_seats(text: str, _reading: Reading) -> int:
    """A count of seats."""
    if not _SEATS.fullmatch(text):
        raise Unreadable("It is not a number of seats; write it like 2.")
    return int(text.partition(".")[0])


def read_currency(text: str, _reading: Reading) -> str:
    """Three letters of ISO 4217."""
    code = text.upper()
    if code not in _currencies():
        raise Unreadable("It is not a currency of ISO 4217; write it like GBP.")
    return code


@lru_cache(maxsize=1)
def _currencies() -> frozenset[str]:
    return frozenset(currency.alpha_3 for currency in pycountry.currencies)


def _one_of(choices: type[TextChoices]) -> Callable[[str, Reading], str]:
    allowed = frozenset(choices.values)

    def read(text: str, _reading: Reading) -> str:
        word = text.lower()
        if word not in allowed:
            raise Unreadable(f"It is none of {', '.join(choices.values)}.")
        return word

    return read


# In the order of a BoughtLine's values.
PURCHASE_COLUMNS = (
    Column("system_ref", read_text, limit=100, is_required=True),
    Column("purchase_id", read_text, limit=100, is_required=True),
    Column("event", read_text, limit=200, repeats=True),
    Column("event_on", read_day, limit=_LONGEST_NOTATION, blank=None, repeats=True),
    Column("purchased_at", read_moment, limit=_LONGEST_NOTATION, is_required=True, blank=None),
    Column("kind", _one_of(Purchase.Kind), limit=_LONGEST_NOTATION, repeats=True),
    Column("seats", read_seats, limit=_LONGEST_NOTATION, blank=None, repeats=True),
    Column("amount", read_amount, limit=_LONGEST_NOTATION, is_required=True, blank=None, repeats=True),
    Column("currency", read_currency, limit=_LONGEST_NOTATION, repeats=True),
    Column("status", _one_of(Purchase.Status), limit=_LONGEST_NOTATION, repeats=True),
)

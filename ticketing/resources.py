"""The columns of each import and export file about purchases, declared once."""

import re
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache

import pycountry
from django.db.models import TextChoices

from contacts.cleaning import Reading, Unreadable, read_day, read_moment
from contacts.file_resources import ColumnField, FileResource, ShownField
from contacts.resources import LONGEST_NOTATION
from ticketing.models import Purchase

_AMOUNT = re.compile(r"[+-]?\d{1,10}(\.\d+)?")
_SEATS = re.compile(r"\d{1,6}(\.0+)?")


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


class PurchaseResource(FileResource):
    """Purchases, each with the System Ref that bought it; exports add the Contact's GroupID."""

    group_id = ShownField("group_id", "system_ref__mapping__contact_id")
    system = ShownField("system", "system__code")
    system_ref = ColumnField("system_ref", attribute="system_ref__system_ref", limit=100, is_required=True)
    purchase_id = ColumnField("purchase_id", limit=100, is_required=True)
    event = ColumnField("event", limit=200, repeats=True)
    event_on = ColumnField("event_on", read_day, limit=LONGEST_NOTATION, blank=None, repeats=True)
    purchased_at = ColumnField(
        "purchased_at", read_moment, limit=LONGEST_NOTATION, is_required=True, blank=None
    )
    kind = ColumnField("kind", _one_of(Purchase.Kind), limit=LONGEST_NOTATION, repeats=True)
    seats = ColumnField("seats", read_seats, limit=LONGEST_NOTATION, blank=None, repeats=True)
    amount = ColumnField(
        "amount", read_amount, limit=LONGEST_NOTATION, is_required=True, blank=None, repeats=True
    )
    currency = ColumnField("currency", read_currency, limit=LONGEST_NOTATION, repeats=True)
    status = ColumnField("status", _one_of(Purchase.Status), limit=LONGEST_NOTATION, repeats=True)

    class Meta:
        model = Purchase
        name = "Purchases"
        import_order = (  # of a BoughtLine's values
            "system_ref", "purchase_id", "event", "event_on", "purchased_at", "kind", "seats", "amount",
            "currency", "status",
        )  # fmt: skip
        export_order = fields = ("group_id", "system", *import_order)

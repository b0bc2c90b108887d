"""The nouns of ticketing: what people bought."""

from ticketing.models.purchase import Purchase
from ticketing.models.purchase_print import PurchasePrint

__all__ = ["Purchase", "PurchasePrint"]

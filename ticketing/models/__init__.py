"""The nouns of ticketing: what people bought."""

from ticketing.models.purchase import Purchase

__all__ = ["Purchase"]

"""The screens of what people bought."""

from ticketing.admin import purchases

__all__ = ["purchases"]

"""The screens of the night: nights that were, and what the coming one would do."""

from sync.admin import nights, plan

__all__ = ["nights", "plan"]

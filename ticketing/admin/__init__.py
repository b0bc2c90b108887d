"""The screens of what people bought, and of how it is pulled from their systems."""

from ticketing.admin import connections, pull_runs, purchases

__all__ = ["connections", "pull_runs", "purchases"]

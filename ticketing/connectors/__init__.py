"""The connectors there are: one line each. How to write another one stands in docs/connectors.md."""

from ticketing.connectors import file_drop, pretix, sql_database
from ticketing.connectors.base import Kind

_KINDS: tuple[Kind, ...] = (sql_database.KIND, pretix.KIND, file_drop.KIND)

KINDS: dict[str, Kind] = {kind.name: kind for kind in _KINDS}

"""The connectors there are: one line each. How to write another one stands in docs/connectors.md."""

from ticketing.connectors.base import Kind

_KINDS: tuple[Kind, ...] = ()

KINDS: dict[str, Kind] = {kind.name: kind for kind in _KINDS}

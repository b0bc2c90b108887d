"""Every address of the resolver, and how its parts are filled for one side of the world."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

_PART = re.compile(r"<(?:\w+:)?(\w+)>")


@dataclass(frozen=True)
class Address:
    """One pattern: its name with its namespace, blank where it has none, and its route from the root."""

    name: str
    route: str

    @property
    def parts(self) -> list[str]:
        """What has to be filled in."""
        return _PART.findall(self.route)

    @property
    def key(self) -> str:
        """What its recipe is found by: its name, else its route."""
        return self.name or self.route

    def path(self, filled: dict[str, Any]) -> str:
        return "/" + _PART.sub(lambda part: str(filled[part[1]]), self.route)


def addresses() -> list[Address]:
    """All of them, in the resolver's order."""
    return list(_below(get_resolver().url_patterns, route="", namespace=""))


def _below(patterns: Any, *, route: str, namespace: str) -> Iterator[Address]:
    for pattern in patterns:
        whole = route + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            inner = f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
            yield from _below(pattern.url_patterns, route=whole, namespace=inner)
        elif isinstance(pattern, URLPattern):
            yield Address(f"{namespace}{pattern.name}" if pattern.name else "", whole)

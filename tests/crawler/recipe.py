"""A recipe: what the crawler sends and asks at one address."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import models

from contacts.models import Contact

from .units import Side

Sent = Callable[[Side], Mapping[str, Any]]


@dataclass(frozen=True)
class Recipe:
    """`sends`: bodies of POSTs, besides an empty one. `asks`: queries of GETs. `fills`: parts of the address.

    Each is made for a side: ours, theirs, or what never was.
    """

    sends: tuple[Sent, ...] = ()
    asks: tuple[Sent, ...] = ()
    fills: Mapping[str, Callable[[Side], Any]] = field(default_factory=dict)
    is_of_a_unit: bool = True


def of(model: type[models.Model]) -> Callable[[Side], int]:
    """The id of a side's row."""
    return lambda side: side.id(model)


PLAIN = Recipe()
CONTACT = Recipe(fills={"group_id": of(Contact)})

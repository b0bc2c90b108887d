"""What an app may put on the contact page, as plain objects."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from django.apps import apps
from django.contrib.auth.models import User
from django.utils.module_loading import autodiscover_modules

from contacts.models import Contact, GoneRef, SystemRef, TicketSystem
from contacts.models import Mapping as Placement
from contacts.permissions import sees_every_system
from contacts.services.crm_values import CrmValues, crm_values
from contacts.services.golden import golden_of
from contacts.services.leaders import first_found, first_standing, leader_of
from contacts.services.matching_rules import RulesInForce, rules_of_links
from contacts.survivorship import Golden


@dataclass(frozen=True)
class Shown:
    """A contact as one user is shown it: the mappings of the refs visible to them, and nothing of the others.

    `mappings`: the leader first, then by the system's rank. `asked`: what the address asks for, such as a
    page number. `refused`: the form of the panel as somebody sent it, with what is wrong in it; else None.
    """

    contact: Contact
    user: User
    mappings: Sequence[Placement]
    now: datetime
    currency: str
    country: str
    asked: Mapping[str, str]
    refused: Any = None

    @cached_property
    def refs(self) -> dict[int, SystemRef]:
        """The visible refs by their id."""
        return {mapping.system_ref_id: mapping.system_ref for mapping in self.mappings}

    @cached_property
    def systems(self) -> list[TicketSystem]:
        """The systems of the visible refs, each once, by rank."""
        found = {ref.system_id: ref.system for ref in self.refs.values()}
        return sorted(found.values(), key=lambda system: (system.rank, system.code))

    @cached_property
    def golden(self) -> dict[str, Golden]:
        """The golden values over the visible refs (R-MDB-33)."""
        return golden_of(self.mappings, self.contact.pins.all())

    @cached_property
    def crm(self) -> CrmValues:
        """Owner and segment over the visible refs; one query."""
        return crm_values(self.mappings)

    @cached_property
    def rules(self) -> RulesInForce:
        """The matching rules by which the links that stand were made: each is told in its own words."""
        return rules_of_links()

    @cached_property
    def leader(self) -> Placement:
        """The primary; where that is not visible the one that leads among the visible.

        It is marked as primary all the same: a page without a primary would say that there is a hidden one.
        """
        return leader_of(self.mappings)

    @cached_property
    def first_found(self) -> Placement:
        """The visible ref that was found before the others."""
        return first_found(self.mappings)

    @cached_property
    def first_standing(self) -> Placement:
        """The first found of the visible refs that stand at their source; of all where none does."""
        return first_standing(self.mappings)

    @cached_property
    def gone(self) -> dict[int, GoneRef]:
        """Those of the visible refs that are gone at their source, by the ref's id; one query."""
        marks = GoneRef.objects.filter(system_ref__in=self.refs).select_related("merged_into__system")
        return {gone.system_ref_id: gone for gone in marks}

    @property
    def sees_every_system(self) -> bool:
        return sees_every_system(self.user)

    def page(self) -> int:
        """The page asked for in a panel; 1 when it is no number."""
        asked = self.asked.get("page", "1")
        return max(int(asked), 1) if asked.isdecimal() and len(asked) < 7 else 1


@dataclass(frozen=True)
class Panel:
    """A part of the page with a tab of its own; `key` names it in the address.

    `build` gives what `template` shows. A panel with `brief` also stands in short beside the accounts, shown
    from what `build_brief` gives. Panels stand in the order of `place`.
    """

    key: str
    title: str
    place: int
    template: str
    build: Callable[[Shown], Mapping[str, Any]]
    brief: str = ""
    build_brief: Callable[[Shown], Mapping[str, Any]] | None = None


@dataclass(frozen=True)
class Badge:
    """A word beside the name; `state` is one of kore.css's k-state words, `why` stands on hover."""

    text: str
    state: str = "off"
    why: str = ""


@dataclass(frozen=True)
class Link:
    """A way on from the page's head; `why` stands on hover."""

    title: str
    address: str
    why: str = ""


@dataclass(frozen=True)
class MenuEntry:
    """An entry of the three-dot menu, in the order of `place`.

    With `refusal` it cannot be chosen by this user, and says so beside it: a sentence, and who may.
    """

    title: str
    address: str
    place: int
    refusal: str = ""


def declared(name: str) -> list[Any]:
    """The objects that all apps list under this name in their `contact_page`, in the order of the apps."""
    autodiscover_modules("contact_page")
    found: list[Any] = []
    for app in apps.get_app_configs():
        module = sys.modules.get(f"{app.name}.contact_page")
        found += getattr(module, name, [])
    return found

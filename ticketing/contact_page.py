"""What ticketing says on a contact's page: what was bought, in every system the user may see."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Count, Sum
from django.db.models.functions import Coalesce, ExtractYear
from django.urls import reverse

from contacts.contact_page import Badge, Link, Panel, Shown
from contacts.models import FieldChange, TicketSystem
from contacts.models.person_details import DETAIL_FIELDS
from ticketing.models import Purchase
from ticketing.models.purchase import COUNTED

LINES = 50
IN_BRIEF = 8


@dataclass(frozen=True)
class Subtotal:
    """What one system took in one season and currency; `lines` counts every line, paid or not."""

    system: TicketSystem
    currency: str
    amount: Decimal
    lines: int


@dataclass(frozen=True)
class Season:
    """A year of events with its subtotals, which count all its purchases, and those on this page."""

    year: int
    subtotals: Sequence[Subtotal]
    purchases: Sequence[Purchase]


def _purchases(shown: Shown) -> Any:
    """The contact's purchases in visible systems, with the season each belongs to: the year of its event."""
    return (
        Purchase.objects.visible_to(shown.user)
        .filter(system_ref__in=shown.refs)
        .annotate(season=Coalesce(ExtractYear("event_on"), ExtractYear("purchased_at")))
    )


def timeline(shown: Shown) -> Mapping[str, Any]:
    """A page of purchases by season, newest first, with season subtotals per system and currency."""
    page = shown.page()
    newest = _purchases(shown).order_by("-season", "-purchased_at", "-pk")
    found = list(newest[(page - 1) * LINES : page * LINES + 1])
    on_page = found[:LINES]
    subtotals = _subtotals(shown)
    years = sorted({purchase.season for purchase in on_page}, reverse=True)
    return {
        "seasons": [
            Season(year, subtotals.get(year, []), _with_systems(shown, on_page, year)) for year in years
        ],
        "newer": page - 1,
        "older": page + 1 if len(found) > LINES else 0,
    }


def timeline_in_brief(shown: Shown) -> Mapping[str, Any]:
    """The newest purchases and how many there are."""
    newest = _purchases(shown).order_by("-purchased_at", "-pk")
    return {"purchases": _with_systems(shown, list(newest[:IN_BRIEF])), "count": newest.count()}


def _with_systems(shown: Shown, purchases: Sequence[Any], year: int | None = None) -> list[Purchase]:
    """The purchases (of one season) with the refs that are loaded already."""
    chosen = [purchase for purchase in purchases if year in (None, purchase.season)]
    for purchase in chosen:
        purchase.system_ref = shown.refs[purchase.system_ref_id]
        purchase.system = purchase.system_ref.system
    return chosen


def _subtotals(shown: Shown) -> dict[int, list[Subtotal]]:
    systems = {system.pk: system for system in shown.systems}
    sums = (
        _purchases(shown)
        .values("season", "system", "currency")
        .annotate(amount=Sum("amount", filter=COUNTED), lines=Count("pk"))
        .order_by("-season", "-amount", "system", "currency")
    )
    found: dict[int, list[Subtotal]] = {}
    for row in sums:
        found.setdefault(row["season"], []).append(
            Subtotal(systems[row["system"]], row["currency"], row["amount"] or Decimal(0), row["lines"])
        )
    return found


def season_ticket(shown: Shown) -> list[Badge]:
    """A badge naming the systems in which the person holds a season ticket."""
    holders = [ref.system.name for ref in shown.refs.values() if ref.holds_season_ticket]
    if not holders:
        return []
    return [Badge("Season ticket", "good", f"Held in {', '.join(dict.fromkeys(holders))}")]


def tdm(shown: Shown) -> Link:
    """Where the accounts are changed."""
    return Link("TDM", reverse("tdm:contact", args=[shown.contact.pk]), "See all accounts, and change them")


def way_back(shown: Shown, change: FieldChange) -> str:
    """The history of the account in the TDM, where its changes are reverted; it says there who may."""
    if change.field not in DETAIL_FIELDS:
        return ""
    return f"{reverse('tdm:contact', args=[shown.contact.pk])}?account={change.system_ref_id}&show=history"


PANELS = [
    Panel(
        key="timeline",
        title="Timeline",
        place=20,
        template="ticketing/panels/timeline.html",
        build=timeline,
        brief="ticketing/panels/timeline_brief.html",
        build_brief=timeline_in_brief,
    )
]
BADGES = [season_ticket]
LINKS = [tdm]
WAYS_BACK = [way_back]

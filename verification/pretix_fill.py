"""Runs inside pretix: an organiser, teams with tokens, an event and a series; prints them as JSON."""

import json
import os
import sys
from datetime import timedelta
from decimal import Decimal

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pretix.settings")
django.setup()

from django.utils.timezone import now  # noqa: E402
from django_scopes import scopes_disabled  # noqa: E402
from pretix.api.models import WebHook  # noqa: E402
from pretix.base.models import Event, Organizer, Team, User  # noqa: E402

HOOKS = (
    "pretix.event.order.placed",
    "pretix.event.order.modified",
    "pretix.event.order.contact.changed",
    "pretix.event.order.canceled",
    "pretix.event.order.changed.*",
    "pretix.event.order.refund.done",
    "pretix.customer.changed",
    "pretix.customer.anonymized",
)


def fill() -> dict[str, object]:
    """Make everything that is not made through the API."""
    User.objects.create_superuser("admin@example.com", "admin-of-a-verification")
    club = Organizer.objects.create(name="The Club", slug="club")
    team = Team.objects.create(
        organizer=club,
        name="Kore",
        all_events=True,
        all_event_permissions=True,
        all_organizer_permissions=True,
    )
    blind = Team.objects.create(organizer=club, name="Blind", all_events=True)
    cup = _event(club, "cup-26", {"en": "Cup final", "de": "Pokalfinale"})
    tour = _event(club, "tour", {"en": "Stadium tour"}, has_subevents=True)
    date = tour.subevents.create(
        name={"en": "Morning tour"}, date_from=now() + timedelta(days=9), active=True
    )
    return {
        "token": team.tokens.create(name="kore").token,
        "blind_token": blind.tokens.create(name="blind").token,
        "cup": _product(cup, None),
        "tour": _product(tour, date),
        "date": date.pk,
    }


def add_hook(url: str) -> dict[str, object]:
    """Have pretix send its hints to an address."""
    club = Organizer.objects.get(slug="club")
    hook = WebHook.objects.create(organizer=club, target_url=url, enabled=True, all_events=True)
    for action in HOOKS:
        hook.listeners.create(action_type=action)
    return {"hook": hook.pk}


def _event(club: Organizer, slug: str, name: dict[str, str], **fields: object) -> Event:
    event = Event.objects.create(
        organizer=club,
        slug=slug,
        name=name,
        date_from=now() + timedelta(days=30),
        currency="EUR",
        live=True,
        plugins="pretix.plugins.manualpayment,pretix.plugins.banktransfer",
        **fields,
    )
    event.settings.timezone = "Europe/Berlin"
    return event


def _product(event: Event, date: object) -> int:
    item = event.items.create(name="Seat", default_price=Decimal("23.00"), admission=True)
    event.quotas.create(name="Seats", size=None, subevent=date).items.add(item)
    return int(item.pk)


if __name__ == "__main__":
    with scopes_disabled():
        print("FILLED " + json.dumps(add_hook(sys.argv[1]) if len(sys.argv) > 1 else fill()))

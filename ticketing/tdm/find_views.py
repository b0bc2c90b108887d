"""The first page of the TDM: find a fan by anything that is known of them."""

from collections.abc import Sequence

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from contacts.admin_access import organisation_of
from contacts.models import CrmDetails
from contacts.permissions import systems_of
from contacts.recently_opened import opened_last
from ticketing.tdm.access import page, tdm_page
from ticketing.tdm.finding import MINE, Asked, Wizard, fans
from ticketing.tdm.turning import Turns

SEASONS_OFFERED = 8


@tdm_page(needs="contacts.view_contact")
def find(request: HttpRequest) -> HttpResponse:
    """The search; before anything is asked, the contacts opened last.

    What is looked for stands in the address, as in the list of contacts: access logs leave queries out.
    """
    organisation = organisation_of(request)
    asked = Asked.of(request.GET.dict())
    found = None
    if not asked.is_blank:
        found = Wizard(asked, request.user, organisation.default_country).found(request.GET.dict())
    shown = list(found.page.ids) if found else []
    recent = opened_last(request)
    lines = {fan.group_id: fan for fan in fans(list(dict.fromkeys([*shown, *recent])), request.user)}
    content = {
        "asked": asked,
        "found": found,
        "fans": [lines[pk] for pk in shown if pk in lines],
        "recent": [lines[pk] for pk in recent if pk in lines],
        "turns": Turns(found.page, found.pages, {"q": asked.text, **asked.filters}) if found else None,
        "systems": systems_of(request.user),
        "seasons": range(timezone.localdate().year + 1, timezone.localdate().year - SEASONS_OFFERED, -1),
        "owners": _owners(request.user),
        "currency": organisation.currency,
        "mine": MINE,
        "is_mine": asked.owner == MINE,
    }
    return page(request, "tdm/find.html", content, crumbs=[("Find a fan", "")])


def _owners(user: User) -> Sequence[User]:
    """Who looks after people in the systems that the user may see; one query."""
    owned = CrmDetails.objects.visible_to(user).filter(owner__isnull=False).order_by()
    return User.objects.filter(pk__in=owned.values("owner").distinct()).order_by("last_name", "username")

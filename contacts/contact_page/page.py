"""Puts the contact page together: who it is, where each value comes from, and the panel asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from contacts.admin_access import organisation_of
from contacts.contact_page.groupings import came_back_notice
from contacts.contact_page.menu import menu
from contacts.contact_page.parting_entries import group_button
from contacts.contact_page.parts import Badge, Panel, Shown, declared
from contacts.contact_page.waiting import waiting
from contacts.models import Contact, FieldChange, SystemRef
from contacts.services.leaders import leader_first

if TYPE_CHECKING:
    from django.contrib.auth.models import User

FIRST_PANEL = "accounts"
HEADLINE = ("email", "phone", "mobile", "address1")
_ADDRESS = ("address1", "address2", "city", "postcode", "country")


@dataclass(frozen=True)
class Headline:
    """A golden value of the page's head with its origin."""

    field: str
    value: str
    ref: SystemRef
    last_change: FieldChange | None
    is_pinned: bool


def show(
    request: HttpRequest,
    contact: Contact,
    *,
    context: Mapping[str, Any],
    now: datetime,
    refused: tuple[str, Any] | None = None,
) -> HttpResponse:
    """The page of a contact that is visible to the user; 404 for a panel that nobody declared.

    `refused`: the panel whose form was sent and not taken, and that form.
    """
    shown = what_is_shown(contact, request, now=now)
    panels = sorted(declared("PANELS"), key=lambda panel: panel.place)
    asked = request.GET.get("panel", FIRST_PANEL)
    if refused:
        asked, shown = refused[0], replace(shown, refused=refused[1])
    panel = next((panel for panel in panels if panel.key == asked), None)
    if panel is None:
        raise Http404
    name = " ".join(str(shown.golden[f].value) for f in ("first_name", "last_name") if f in shown.golden)
    whole = {
        **context,
        "crumbs": [("Contacts", reverse("admin:contacts_contact_changelist")), (str(contact.pk), "")],
        "contact": contact,
        "shown": shown,
        "name": name,
        "headlines": headlines(shown),
        "badges": _badges(shown),
        "links": [link(shown) for link in declared("LINKS")],
        "group_button": group_button(shown),
        "menu": menu(shown),
        "came_back": came_back_notice(shown),
        "waiting": waiting(shown, organisation_of(request)),
        "since": min(mapping.since for mapping in shown.mappings),
        "panels": panels,
        "panel": panel,
        "content_of_panel": panel.build(shown),
        "briefs": _briefs(panels, shown) if panel.key == FIRST_PANEL else [],
        "has_permission": True,
    }
    return TemplateResponse(request, "contacts/contact.html", whole)


def what_is_shown(contact: Contact, request: HttpRequest, *, now: datetime) -> Shown:
    """The contact over the refs that the user of the request may see."""
    [loaded] = Contact.objects.filter(pk=contact.pk).with_visible_refs(request.user)
    organisation = organisation_of(request)
    return Shown(
        contact=loaded,
        user=cast("User", request.user),
        mappings=leader_first(loaded.visible_mappings),
        now=now,
        currency=organisation.currency,
        country=organisation.default_country,
        asked=request.GET.dict(),
    )


def headlines(shown: Shown) -> list[Headline]:
    """E-mail, phones and address: each golden value with the ref it comes from and that ref's last change."""
    chosen = {field: shown.golden[field] for field in HEADLINE if field in shown.golden}
    if "address1" not in chosen:
        chosen |= {f: shown.golden[f] for f in ("city", "postcode", "country") if f in shown.golden}
        for field in ("postcode", "country")[: len(chosen) if "city" in chosen else 0]:
            chosen.pop(field, None)
    changes = _last_changes(shown, {golden.ref_id for golden in chosen.values()})
    pinned = {pin.field for pin in shown.contact.pins.all() if pin.system_ref_id in shown.refs}
    found = []
    for field, golden in chosen.items():
        value = _address(shown) if field in _ADDRESS else str(golden.value)
        fields = _ADDRESS if field in _ADDRESS else (field,)
        changed = [changes[key] for f in (*fields, "") if (key := (golden.ref_id, f)) in changes]
        last = max(changed, key=lambda change: change.at, default=None)
        shown_as = "address" if field in _ADDRESS else field
        found.append(Headline(shown_as, value, shown.refs[golden.ref_id], last, shown_as in pinned))
    return found


def _address(shown: Shown) -> str:
    parts = {f: shown.golden[f].value for f in _ADDRESS if f in shown.golden}
    town = " ".join(str(parts[f]) for f in ("city", "postcode") if f in parts)
    return ", ".join(filter(None, [parts.get("address1"), parts.get("address2"), town, parts.get("country")]))


def _last_changes(shown: Shown, ref_ids: set[int]) -> dict[tuple[int, str], FieldChange]:
    """The newest change of each field of these refs; a blank field stands for the ref's arrival."""
    changes = (
        FieldChange.objects.filter(system_ref__in=ref_ids, field__in=(*HEADLINE, *_ADDRESS, ""))
        .select_related("actor")
        .order_by("at", "pk")
    )
    return {(change.system_ref_id, change.field): change for change in changes}


def _badges(shown: Shown) -> list[Badge]:
    return [badge for badges in declared("BADGES") for badge in badges(shown)]


def _briefs(panels: Sequence[Panel], shown: Shown) -> list[dict[str, Any]]:
    return [
        {"panel": panel, "content": panel.build_brief(shown)}
        for panel in panels
        if panel.brief and panel.build_brief
    ]

"""What is done to contacts chosen in their list: group them, ungroup them, ask why they are apart."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from contacts.admin.contact_grouping import open_requests
from contacts.admin.contact_parting import answers
from contacts.admin.grouping_columns import full_name
from contacts.admin.list_actions import ListAction
from contacts.admin.signed_in import user_of
from contacts.admin_access import organisation_of
from contacts.models import Contact
from contacts.next_night import next_night_in_words
from contacts.request_words import RequestInWords
from contacts.services.golden import golden_of
from contacts.services.group_requests import WHY_NOT, CannotRequest, file_ungrouping, may_group


@dataclass(frozen=True)
class ToUngroup:
    """A chosen contact; `waits`: the open request that keeps it."""

    contact: Any
    name: str
    waits: RequestInWords | None

    @property
    def ref_count(self) -> int:
        return len(self.contact.visible_mappings)

    @property
    def is_single(self) -> bool:
        return self.ref_count < 2


def group_selected(model_admin: Any, request: HttpRequest, contacts: Sequence[Contact]) -> HttpResponse:
    """To the grouping screen: the first chosen is the master there, until another is picked."""
    first, *others = (contact.pk for contact in contacts)
    asked = urlencode([("with", number) for number in others])
    return redirect(f"{reverse('admin:contacts_contact_group', args=[first])}?{asked}")


def why_not(model_admin: Any, request: HttpRequest, contacts: Sequence[Contact]) -> HttpResponse:
    """To the page that says what keeps two contacts apart."""
    if len(contacts) != 2:
        messages.warning(request, "Why not? is asked of exactly two contacts.")
        return redirect(request.get_full_path())
    asked = urlencode({"left": contacts[0].pk, "right": contacts[1].pk})
    return redirect(f"{reverse('admin:contacts_contact_why_not')}?{asked}")


def ungroup_selected(model_admin: Any, request: HttpRequest, contacts: Sequence[Contact]) -> HttpResponse:
    """One confirmation for all of them; then each is filed by itself, and what cannot be is listed."""
    if "confirmed" not in request.POST:
        return _confirmation(model_admin, request, contacts)
    filed, now = [], timezone.now()
    for contact in contacts:
        try:
            filed.append(file_ungrouping(contact, by=user_of(request), now=now, **answers(request.POST)))
        except CannotRequest as refusal:
            messages.warning(request, f"GroupID {contact.pk} was not filed. {refusal}")
    if filed:
        night = next_night_in_words(organisation_of(request), now=now)
        count = f"{len(filed)} request{'s' if len(filed) > 1 else ''}"
        messages.success(
            request,
            f"Filed: {count} to ungroup. They will be processed overnight, {night}; nothing changes before.",
        )
    return redirect(request.get_full_path())


def _confirmation(model_admin: Any, request: HttpRequest, contacts: Sequence[Contact]) -> HttpResponse:
    ids = [contact.pk for contact in contacts]
    loaded: Sequence[Any] = Contact.objects.load_visible_refs(list(contacts), request.user)
    waits = open_requests(ids, request.user)
    rows = [
        ToUngroup(one, full_name(golden_of(one.visible_mappings, one.pins.all())), waits.get(one.pk))
        for one in loaded
    ]
    going = [row for row in rows if not (row.is_single or row.waits)]
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "crumbs": [("Contacts", reverse("admin:contacts_contact_changelist")), ("Ungroup", "")],
        "rows": rows,
        "going": len(going),
        "ref_count": sum(row.ref_count for row in going),
        "night": next_night_in_words(organisation_of(request), now=timezone.now()),
        "list_address": request.get_full_path(),
    }
    return TemplateResponse(request, "contacts/grouping/ungroup_selected.html", context)


ACTIONS = [
    ListAction("group", "Group selected", group_selected, may_group, WHY_NOT),
    ListAction("ungroup", "Ungroup selected", ungroup_selected, may_group, WHY_NOT),
    ListAction("why-not", "Why not?", why_not, exactly=2),
]

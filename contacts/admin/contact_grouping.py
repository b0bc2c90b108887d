"""The grouping screen: choose contacts, see what they become, confirm, file (R-CM-7 to 14)."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from contacts.admin.grouping_choice import Choice, read_choice
from contacts.admin.grouping_columns import Comparison, compare, full_name
from contacts.admin.signed_in import user_of
from contacts.admin_access import organisation_of
from contacts.models import Contact, GroupRequest, RequestRef
from contacts.next_night import next_night_in_words
from contacts.request_words import RequestInWords, request_in_words
from contacts.services.golden import golden_of
from contacts.services.group_preview import preview
from contacts.services.group_requests import CannotRequest, MayNotRequest, file_grouping, may_group
from contacts.services.grouping_bars import bars_among

MOST_FOUND = 12  # that a search shows; more words find fewer


@dataclass(frozen=True)
class Found:
    """A contact that the search of the screen found."""

    contact: Any
    name: str
    email: str
    phone: str
    city: str
    spent: Decimal
    is_chosen: bool


def contact_to_change(request: HttpRequest, model_admin: Any, group_id: int) -> Contact:
    """The contact of a screen that changes its group: 403 without the right, else 404 where unseen."""
    if not (model_admin.has_view_permission(request) and may_group(user_of(request))):
        raise PermissionDenied
    contact = model_admin.get_queryset(request).filter(pk=min(group_id, 2**63 - 1)).first()
    if contact is None:
        raise Http404
    return contact


def group_view(model_admin: Any, request: HttpRequest, group_id: int) -> HttpResponse:
    """The screen and its confirmation. Only `do=file`, the second press, files anything (R-CM-13).

    409 where the request is refused, 403 where the user may not ask for it; both with the reason.
    """
    contact = contact_to_change(request, model_admin, group_id)
    sent = request.POST if request.method == "POST" else request.GET
    choice = read_choice(contact, sent, user=user_of(request))
    order = request.POST.get("do", "")
    if order not in ("confirm", "file"):
        return _screen(model_admin, request, choice, order=order)
    if choice.problems or not choice.children:
        refusal = "" if choice.problems else "Add at least one contact to group with the master."
        return _screen(model_admin, request, choice, refusal=refusal, status=409)
    if order == "confirm":
        return _confirmation(model_admin, request, choice)
    try:
        filed = file_grouping(
            choice.master, choice.children, by=user_of(request), now=timezone.now(), reason=choice.reason
        )
    except MayNotRequest as refusal:
        return _screen(model_admin, request, choice, refusal=str(refusal), status=403)
    except CannotRequest as refusal:
        return _screen(model_admin, request, choice, refusal=str(refusal), status=409)
    say_filed(request, filed)
    return redirect("admin:contacts_contact_change", choice.master.pk)


def say_filed(request: HttpRequest, filed: GroupRequest) -> None:
    """Tell when the request is carried out, and that nothing changes before (R-CM-14)."""
    night = next_night_in_words(organisation_of(request), now=timezone.now())
    messages.success(
        request,
        format_html(
            'Filed as <a href="{}">request {}</a>. It will be processed overnight, {}; '
            "nothing changes before.",
            reverse("admin:contacts_grouprequest_change", args=[filed.pk]),
            filed.pk,
            night,
        ),
    )


def _screen(
    model_admin: Any,
    request: HttpRequest,
    choice: Choice,
    *,
    order: str = "",
    refusal: str = "",
    status: int = 200,
) -> HttpResponse:
    found, more = _search(request, choice) if choice.asked else ([], False)
    context = {
        **_context(model_admin, request, choice),
        "refusal": refusal,
        "found": found,
        "more": more,
        # Where the keyboard goes on after a press: to the first that the search found, else to the search.
        "focus": order.partition("-")[0],
        "first_found": next((one.contact.pk for one in found if not one.is_chosen), None),
    }
    return TemplateResponse(request, "contacts/grouping/group.html", context, status=status)


def _confirmation(model_admin: Any, request: HttpRequest, choice: Choice) -> HttpResponse:
    context = _context(model_admin, request, choice)
    if context["bars"] or context["compared"].clashes:
        return _screen(model_admin, request, choice, status=409)
    context["crumbs"] = [*context["crumbs"][:-1], ("Group: confirm", "")]
    return TemplateResponse(request, "contacts/grouping/group_confirm.html", context)


def _context(model_admin: Any, request: HttpRequest, choice: Choice) -> dict[str, Any]:
    organisation = organisation_of(request)
    return {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "is_fullwidth": "1",
        "crumbs": crumbs(choice.start, "Group"),
        "choice": choice,
        "compared": _compared(request, choice, country=organisation.default_country),
        "bars": bars_among([m.system_ref for one in choice.contacts for m in one.visible_mappings]),
        "currency": organisation.currency,
        "night": next_night_in_words(organisation, now=timezone.now()),
    }


def crumbs(group_id: int, last: str) -> list[tuple[str, str]]:
    """The way to a screen of one contact."""
    return [
        ("Contacts", reverse("admin:contacts_contact_changelist")),
        (str(group_id), reverse("admin:contacts_contact_change", args=[group_id])),
        (last, ""),
    ]


def _compared(request: HttpRequest, choice: Choice, *, country: str) -> Comparison:
    result = preview(choice.master, choice.children, user=user_of(request))
    waits = open_requests([contact.pk for contact in choice.contacts], request.user)
    return compare(choice.contacts, result, start=choice.start, waits=waits, country=country)


def open_requests(group_ids: list[int], user: Any) -> dict[int, RequestInWords]:
    """The open request of each of these Contacts that has one, as far as the user may see it."""
    rows = RequestRef.objects.filter(is_open=True, system_ref__mapping__contact__in=group_ids)
    asked = dict(rows.values_list("system_ref__mapping__contact", "request"))
    if not asked:
        return {}
    requests = GroupRequest.objects.visible_to(user).filter(pk__in=asked.values())
    requests = requests.select_related("by", "held_by").prefetch_related("refs__system_ref__system")
    known = {r.pk: request_in_words(r) for r in requests}
    return {group_id: known[pk] for group_id, pk in asked.items() if pk in known}


def _search(request: HttpRequest, choice: Choice) -> tuple[list[Found], bool]:
    """What the list of contacts would find, whole GroupIDs and refs first; and whether there is more."""
    country = organisation_of(request).default_country
    everyone = Contact.objects.visible_to(request.user)
    exact = list(everyone.exactly(choice.asked, request.user).values_list("pk", flat=True)[:MOST_FOUND])
    rows = everyone.search_at_once(choice.asked, request.user, default_country=country)
    others = rows.exclude(pk__in=exact).order_by("-pk").values_list("pk", flat=True)[: MOST_FOUND + 1]
    ids = [*exact, *others]
    loaded = Contact.objects.filter(pk__in=ids[:MOST_FOUND]).with_visible_refs(request.user)
    by_id = {contact.pk: contact for contact in loaded}
    chosen = {contact.pk for contact in choice.contacts}
    found = [_found(by_id[pk], is_chosen=pk in chosen) for pk in ids[:MOST_FOUND] if pk in by_id]
    return found, len(ids) > MOST_FOUND


def _found(contact: Any, *, is_chosen: bool) -> Found:
    golden = golden_of(contact.visible_mappings, contact.pins.all())
    values = {field: str(one.value) for field, one in golden.items()}
    return Found(
        contact=contact,
        name=full_name(golden),
        email=values.get("email", ""),
        phone=values.get("phone") or values.get("mobile", ""),
        city=values.get("city", ""),
        spent=sum((m.system_ref.spent_total for m in contact.visible_mappings), Decimal(0)),
        is_chosen=is_chosen,
    )

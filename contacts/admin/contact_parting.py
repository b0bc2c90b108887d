"""The screens that part a contact: ungroup, which parts all its System Refs, and split, which parts some."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone

from contacts.admin.contact_grouping import contact_to_change, crumbs, open_requests, say_filed
from contacts.admin.grouping_columns import full_name
from contacts.admin.sent_ids import sent_text
from contacts.admin.signed_in import user_of
from contacts.admin_access import organisation_of
from contacts.contact_page.accounts import accounts
from contacts.contact_page.page import what_is_shown
from contacts.contact_page.parts import Shown
from contacts.contact_page.split_here import leaving_side
from contacts.models import SystemRef
from contacts.next_night import next_night_in_words
from contacts.services.golden import golden_of
from contacts.services.group_requests import (
    CannotRequest,
    MayNotRequest,
    file_split,
    file_ungrouping,
)

_STAYS = 0


@dataclass(frozen=True)
class Part:
    """One contact of those that a split leaves. The GroupID stays where the primary account is."""

    number: int
    keeps_group_id: bool
    refs: Sequence[SystemRef]
    name: str
    values: Sequence[str]


def ungroup_view(model_admin: Any, request: HttpRequest, group_id: int) -> HttpResponse:
    """What ungrouping would do, with the question about later nights; POST files it (R-CM-19 to 23)."""
    contact = contact_to_change(request, model_admin, group_id)
    shown = what_is_shown(contact, request, now=timezone.now())
    if request.method != "POST":
        return _ungroup_screen(model_admin, request, shown)
    try:
        filed = file_ungrouping(contact, by=user_of(request), now=shown.now, **answers(request.POST))
    except CannotRequest as refusal:
        return _ungroup_screen(model_admin, request, shown, refusal=refusal)
    say_filed(request, filed)
    return redirect("admin:contacts_contact_change", contact.pk)


def split_view(model_admin: Any, request: HttpRequest, group_id: int) -> HttpResponse:
    """Choose which System Refs leave and where to, see what that makes, file it."""
    contact = contact_to_change(request, model_admin, group_id)
    shown = what_is_shown(contact, request, now=timezone.now())
    order = request.POST.get("do", "")
    chosen = _read_parts(shown, request.POST) if order else _proposed(shown)
    if order not in ("preview", "file"):
        return _split_screen(model_admin, request, shown, chosen)
    if wrong := _wrong(shown, chosen):
        return _split_screen(model_admin, request, shown, chosen, refusal=CannotRequest(wrong))
    if order == "preview":
        return _split_screen(model_admin, request, shown, chosen, is_previewed=True)
    leaving = [[ref.pk for ref in part.refs] for part in _parts(shown, chosen) if part.number != _STAYS]
    try:
        filed = file_split(contact, leaving, by=user_of(request), now=shown.now, **answers(request.POST))
    except CannotRequest as refusal:
        return _split_screen(model_admin, request, shown, chosen, refusal=refusal)
    say_filed(request, filed)
    return redirect("admin:contacts_contact_change", contact.pk)


def answers(posted: QueryDict) -> dict[str, Any]:
    """The reason, and whether later nights may group again what is parted: only if somebody says so."""
    return {
        "may_regroup": posted.get("may_regroup") == "yes",
        "reason": sent_text(posted.get("reason", ""), 300),
    }


def _ungroup_screen(
    model_admin: Any, request: HttpRequest, shown: Shown, *, refusal: CannotRequest | None = None
) -> HttpResponse:
    context = {**_context(model_admin, request, shown, "Ungroup"), "refusal": refusal}
    return TemplateResponse(request, "contacts/grouping/ungroup.html", context, status=_status(refusal))


def _split_screen(
    model_admin: Any,
    request: HttpRequest,
    shown: Shown,
    chosen: Mapping[int, int],
    *,
    is_previewed: bool = False,
    refusal: CannotRequest | None = None,
) -> HttpResponse:
    table = accounts(shown)
    most = min(len(shown.refs) - 1, 9)
    context = {
        **_context(model_admin, request, shown, "Split"),
        "refusal": refusal,
        "lines": table["lines"],
        "choices": [
            (mapping.system_ref, chosen.get(mapping.system_ref_id, _STAYS)) for mapping in shown.mappings
        ],
        "numbers": range(1, most + 1),
        "parts": _parts(shown, chosen) if is_previewed else [],
    }
    return TemplateResponse(request, "contacts/grouping/split.html", context, status=_status(refusal))


def _context(model_admin: Any, request: HttpRequest, shown: Shown, title: str) -> dict[str, Any]:
    if len(shown.mappings) < 2 and request.method != "POST":
        raise PermissionDenied  # it is not offered (R-CM-21)
    return {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "is_fullwidth": "1",
        "crumbs": crumbs(shown.contact.pk, title),
        "shown": shown,
        "name": full_name(shown.golden),
        "waits": open_requests([shown.contact.pk], request.user).get(shown.contact.pk),
        "night": next_night_in_words(organisation_of(request), now=shown.now),
        "may_regroup": request.POST.get("may_regroup") == "yes",
        "reason": request.POST.get("reason", "")[:300],
    }


def _status(refusal: CannotRequest | None) -> int:
    if refusal is None:
        return 200
    return 403 if isinstance(refusal, MayNotRequest) else 409


def _read_parts(shown: Shown, posted: QueryDict) -> dict[int, int]:
    """Where each visible ref is to go, as sent; what makes no sense stays."""
    sent = {ref_id: posted.get(f"part-{ref_id}", "") for ref_id in shown.refs}
    return {
        ref_id: int(number) if number.isascii() and number.isdecimal() and len(number) < 3 else _STAYS
        for ref_id, number in sent.items()
    }


def _proposed(shown: Shown) -> dict[int, int]:
    """The address may name the link to split at: then the side without the leader leaves."""
    return dict.fromkeys(leaving_side(shown), 1)


def _wrong(shown: Shown, chosen: Mapping[int, int]) -> str:
    leaving = [ref_id for ref_id, number in chosen.items() if number != _STAYS]
    if not leaving:
        return "Choose which System Refs leave: at least one."
    if len(leaving) == len(shown.refs):
        return "At least one System Ref has to stay."
    return ""


def _parts(shown: Shown, chosen: Mapping[int, int]) -> list[Part]:
    """The contacts that come of it, the one that there was first, the new ones in the order chosen."""
    return [_part(shown, chosen, number) for number in sorted(set(chosen.values()) | {_STAYS})]


def _part(shown: Shown, chosen: Mapping[int, int], number: int) -> Part:
    mappings = [m for m in shown.mappings if chosen.get(m.system_ref_id, _STAYS) == number]
    golden = golden_of(mappings, shown.contact.pins.all())
    told = ("email", "phone", "mobile", "city")
    return Part(
        number=number,
        keeps_group_id=shown.leader in mappings,
        refs=[mapping.system_ref for mapping in mappings],
        name=full_name(golden),
        values=[str(golden[field].value) for field in told if field in golden],
    )

"""The queue of conflicts: what a person put right, and what its source has said since."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import F
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone

from contacts.list_pages import ListPages, NoSuchPage, Order
from contacts.models import HeldValue
from contacts.models.person_details import name_of
from contacts.permissions import SystemRight, systems_of, systems_with
from contacts.services.corrections import CannotCorrect, MayNotCorrect, Overtaken
from contacts.services.typed_values import Wrong
from contacts.system_rights import why_unchangeable
from ticketing.services.submit import settle_conflict
from ticketing.tdm.access import asked_in, id_in, page, tdm_page
from ticketing.tdm.detail_form import standing
from ticketing.tdm.turning import Turns

PER_PAGE = 50
KEEP, TAKE = "keep", "take"


@tdm_page(needs="contacts.view_heldvalue", methods=("GET", "HEAD", "POST"))
def conflicts(request: HttpRequest) -> HttpResponse:
    """Those over the systems that the user may see, the oldest first; a POST settles the chosen ones."""
    if request.method == "POST":
        return _settled(request)
    asked = {"system": asked_in(request.GET, "system")}
    rows = HeldValue.objects.conflicts().visible_to(request.user)
    waiting = rows.count()
    if asked["system"]:
        rows = rows.filter(system_ref__system__code=asked["system"])
    pages = ListPages(rows, Order(F("differs_since"), descending=False), per_page=PER_PAGE)
    try:
        shown = pages.page(request.GET.dict())
    except NoSuchPage:
        shown = pages.page({})
    content = {
        "lines": _lines(shown.ids, request.user),
        "turns": Turns(shown, pages, {name: value for name, value in asked.items() if value}),
        "count": pages.shown_count,
        "asked": asked,
        "systems": systems_of(request.user),
        "may_settle": bool(systems_with(request.user, SystemRight.CHANGE)) and _may_change(request),
    }
    counts = {"tdm:conflicts": waiting}
    return page(request, "tdm/conflicts.html", content, crumbs=[("Conflicts", "")], counts=counts)


def _lines(ids: Sequence[int], user: Any) -> list[dict[str, Any]]:
    rows = HeldValue.objects.select_related("system_ref__system", "system_ref__mapping", "by").in_bulk(ids)
    changeable = systems_with(user, SystemRight.CHANGE) if user.has_perm("contacts.change_systemref") else ()
    return [
        {
            "held": held,
            "ref": held.system_ref,
            "group_id": getattr(getattr(held.system_ref, "mapping", None), "contact_id", None),
            "name": held.system_ref.full_name,
            "field": name_of(held.field),
            "ours": standing(held.system_ref, held.field),
            "may_settle": held.system_ref.system_id in changeable,
        }
        for held in (rows[pk] for pk in ids if pk in rows)
    ]


def _may_change(request: HttpRequest) -> bool:
    return request.user.has_perm("contacts.change_systemref")


def _settled(request: HttpRequest) -> HttpResponse:
    """Settle those chosen, all or none where the right to one of them is missing.

    One row's own button says it of that row alone: its value is "keep 17". What the page showed as the
    source's value goes along, so that nobody takes a value they have not seen.
    """
    word, ids = _asked(request)
    visible = HeldValue.objects.visible_to(request.user).select_related("system_ref__system")
    chosen = list(visible.filter(pk__in=ids).order_by("pk"))
    if word not in (KEEP, TAKE) or (ids and not chosen and not _was_shown(request, ids)):
        raise Http404
    changeable = systems_with(request.user, SystemRight.CHANGE)
    not_theirs = [held for held in chosen if held.system_ref.system_id not in changeable]
    if not _may_change(request) or not_theirs:
        first = next(iter(not_theirs or chosen), None)
        raise PermissionDenied(*([why_unchangeable(request.user, first.system_ref)] if first else []))
    done = sum(_settle(request, held, word) for held in chosen)
    if done:
        said = "keeps the person's value" if word == KEEP else "takes what the source says"
        many = "conflict is" if done == 1 else "conflicts are"
        messages.success(request, f"{done} {many} settled: the account {said}.")
    elif not chosen:
        messages.info(request, "Nothing was chosen, or somebody else has settled it meanwhile.")
    answer: Any = redirect(_back(request))
    if HeldValue.objects.filter(pk__in=ids).exclude(pk__in=[held.pk for held in chosen]).exists():
        answer.refused_as = 404  # to the sender a hidden one is as one that was settled meanwhile
    return answer


def _settle(request: HttpRequest, held: HeldValue, word: str) -> bool:
    seen = request.POST.get(f"seen_{held.pk}")
    try:
        settle_conflict(held, word == TAKE, by=request.user, now=timezone.now(), seen=seen)
    except MayNotCorrect as refusal:
        raise PermissionDenied(str(refusal)) from refusal
    except Overtaken:
        messages.warning(request, f"{held.system_ref}: its source says something else by now. Look again.")
        return False
    except (CannotCorrect, Wrong) as refusal:
        messages.warning(request, f"{held.system_ref}: {refusal}")
        return False
    return True


def _asked(request: HttpRequest) -> tuple[str, list[int]]:
    word, _blank, one = request.POST.get("settle", "").partition(" ")
    texts = [one] if one else request.POST.getlist("held")
    return word, [pk for text in texts if (pk := id_in(text))]


def _was_shown(request: HttpRequest, ids: Sequence[int]) -> bool:
    """Whether the form comes from a page that had them: what was settled since is told, and is no error."""
    return any(f"seen_{pk}" in request.POST for pk in ids)


def _back(request: HttpRequest) -> str:
    """To the account that the form names, else to the queue as it was filtered."""
    group_id, account = id_in(request.POST.get("back", "")), id_in(request.POST.get("account", ""))
    if group_id:
        return f"{reverse('tdm:contact', args=[group_id])}?{urlencode({'account': account})}"
    system = request.POST.get("system", "")
    return reverse("tdm:conflicts") + (f"?{urlencode({'system': system})}" if system else "")

"""The list of write-backs: what is on its way to a source, what was refused, what people have to do."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone

from contacts.list_pages import ListPages, NoSuchPage, Order
from contacts.models.person_details import name_of
from contacts.permissions import SystemRight, systems_of, systems_with
from contacts.services.corrections import CannotCorrect, MayNotCorrect
from contacts.system_rights import why_unchangeable
from ticketing.models import WriteBack
from ticketing.services.write_backs import drop, mark_done
from ticketing.tdm.access import asked_in, id_in, page, tdm_page
from ticketing.tdm.turning import Turns

PER_PAGE = 50
OPEN = "open"
FILTERS = ("state", "system", "mine")
_CARRY_OUT: Mapping[str, tuple[Callable[..., WriteBack], str]] = {
    "drop": (drop, "Given up: {} stays as it is."),
    "done": (mark_done, "Noted as changed at the source: {}."),
}


@tdm_page(needs="ticketing.view_writeback", methods=("GET", "HEAD", "POST"))
def write_backs(request: HttpRequest) -> HttpResponse:
    """Those over the systems that the user may see, the newest first; a POST drops one or says it is done."""
    if request.method == "POST":
        return _settled(request)
    asked = {name: asked_in(request.GET, name) for name in FILTERS}
    pages = ListPages(_filtered(request, asked), Order(), per_page=PER_PAGE)
    try:
        shown = pages.page(request.GET.dict())
    except NoSuchPage:
        shown = pages.page({})
    content = {
        "lines": _lines(shown.ids, request.user),
        "turns": Turns(shown, pages, {name: value for name, value in asked.items() if value}),
        "count": pages.shown_count,
        "asked": asked,
        "is_filtered": any(asked.values()),
        "states": [(OPEN, "still open"), *WriteBack.State.choices],
        "systems": systems_of(request.user),
    }
    return page(request, "tdm/write_backs.html", content, crumbs=[("Write-backs", "")])


def _filtered(request: HttpRequest, asked: Mapping[str, str]) -> Any:
    rows = WriteBack.objects.visible_to(request.user)
    if asked["state"] == OPEN:
        rows = rows.open()
    elif asked["state"]:
        rows = rows.filter(state=asked["state"])
    if asked["system"]:
        rows = rows.filter(system_ref__system__code=asked["system"])
    return rows.filter(by=request.user) if asked["mine"] else rows


def _lines(ids: Sequence[int], user: Any) -> list[dict[str, Any]]:
    related = ("system_ref__system", "system_ref__mapping", "by", "settled_by")
    rows = WriteBack.objects.select_related(*related).in_bulk(ids)
    changeable = systems_with(user, SystemRight.CHANGE) if user.has_perm("contacts.change_systemref") else ()
    return [
        {
            "write_back": one,
            "ref": one.system_ref,
            "group_id": getattr(getattr(one.system_ref, "mapping", None), "contact_id", None),
            "name": one.system_ref.full_name,
            "fields": [(name_of(name), value) for name, value in one.values.items()],
            "may_settle": one.system_ref.system_id in changeable,
        }
        for one in (rows[pk] for pk in ids if pk in rows)
    ]


def _settled(request: HttpRequest) -> HttpResponse:
    word, _blank, key = request.POST.get("settle", "").partition(" ")
    visible = WriteBack.objects.visible_to(request.user).select_related("system_ref__system")
    write_back = visible.filter(pk=id_in(key)).first()
    if write_back is None or word not in _CARRY_OUT:
        raise Http404
    if not request.user.has_perm("contacts.change_systemref"):
        raise PermissionDenied(why_unchangeable(request.user, write_back.system_ref))
    carry_out, said = _CARRY_OUT[word]
    try:
        carry_out(write_back, by=request.user, now=timezone.now())
    except MayNotCorrect as refusal:
        raise PermissionDenied(why_unchangeable(request.user, write_back.system_ref)) from refusal
    except CannotCorrect as refusal:
        messages.warning(request, str(refusal))
    else:
        messages.success(request, said.format(write_back.system_ref))
    return redirect(_back(request))


def _back(request: HttpRequest) -> str:
    """To the account that the form names, else to the list as it was filtered."""
    group_id, account = id_in(request.POST.get("back", "")), id_in(request.POST.get("account", ""))
    if group_id:
        return f"{reverse('tdm:contact', args=[group_id])}?{urlencode({'account': account})}"
    asked = {name: request.POST[name] for name in FILTERS if request.POST.get(name)}
    return reverse("tdm:write_backs") + (f"?{urlencode(asked)}" if asked else "")

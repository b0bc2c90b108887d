"""The TDM page of a contact: see every account, change the open one, choose the primary, revert a change."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone

from contacts.admin_access import organisation_of
from contacts.models import FieldChange
from contacts.retired_numbers import described, successors_of
from contacts.services.corrections import CannotCorrect, MayNotCorrect, Overtaken
from contacts.services.primary import (
    CannotChoosePrimary,
    MayNotChoosePrimary,
    choose_primary,
    leave_primary_to_rules,
)
from contacts.services.typed_values import Wrong
from contacts.system_rights import ask_whom
from ticketing.models import WriteBack
from ticketing.services.reverts import revert
from ticketing.services.submit import Submitted, send_again, submit
from ticketing.tdm.access import LARGEST_ID, id_in, page, tdm_page
from ticketing.tdm.account_history import account_history
from ticketing.tdm.detail_form import Typed, details
from ticketing.tdm.page_data import (
    NAMES_SHOWN,
    PURCHASES_IN_ALL,
    PURCHASES_OF_ACCOUNT,
    Fan,
    fan_of,
    states_in_words,
    told_fields,
)
from ticketing.tdm.words import tell

HISTORY = "history"
NOT_ALLOWED = "Nothing was changed. What you typed stands below, to be copied."
_SAID = {
    False: "{} is the primary account now, by your choice: no rule and no night changes that.",
    True: "The choice is taken back: {} stays primary until a rule prefers another account.",
}


@tdm_page(needs="contacts.view_contact", methods=("GET", "HEAD", "POST"))
def contact(request: HttpRequest, group_id: int) -> HttpResponse:
    """The page of this GroupID, or of the one it lives on in; a POST submits the open account, the
    primary one where it names none.

    404 for a contact or account that the user may not see, exactly as for one that is not there; 403 for
    a change without the right to it, of which nothing is written.
    """
    account = request.POST.get("account", "") if request.method == "POST" else ""
    fan = fan_of(request, group_id, account=account) if group_id <= LARGEST_ID else None
    if request.method == "POST":
        if fan is None or (account and id_in(account) not in fan.refs):
            raise Http404
        return _submitted(request, fan)
    if fan is None:
        return _where_it_went(request, group_id)
    asked = request.GET.get("account", "")
    if asked and id_in(asked) not in fan.refs:
        raise Http404
    return _page(request, fan)


@tdm_page(needs="contacts.view_contact", methods=("POST",))
def primary(request: HttpRequest, group_id: int) -> HttpResponse:
    """Let one account lead this contact, or with `leave` take that choice back (R-MDB-9)."""
    fan = _posted_fan(request, group_id)
    if not request.user.has_perm("contacts.change_contact"):
        raise PermissionDenied(f"Your role chooses no primary account. {ask_whom(request.user)}")
    carry_out = leave_primary_to_rules if "leave" in request.POST else choose_primary
    try:
        carry_out(fan.contact, fan.account, by=request.user, now=timezone.now())
    except MayNotChoosePrimary as refusal:
        raise PermissionDenied(fan.why_unchangeable or str(refusal)) from refusal
    except CannotChoosePrimary as refusal:
        messages.warning(request, str(refusal))
    else:
        messages.success(request, _SAID["leave" in request.POST].format(fan.account))
    return redirect(_address(fan))


@tdm_page(needs="contacts.view_contact", methods=("POST",))
def revert_change(request: HttpRequest, group_id: int) -> HttpResponse:
    """Let what stood before a change stand again (BEYOND 3)."""
    fan = _posted_fan(request, group_id)
    change = FieldChange.objects.filter(
        pk=id_in(request.POST.get("change", "")), system_ref=fan.account
    ).first()
    if change is None:
        raise Http404
    if not _role_changes_accounts(request):
        raise PermissionDenied(fan.why_unchangeable)
    try:
        submitted = revert(change, by=request.user, now=timezone.now())
    except MayNotCorrect as refusal:
        raise PermissionDenied(fan.why_unchangeable or str(refusal)) from refusal
    except (CannotCorrect, Wrong) as refusal:
        messages.warning(request, str(refusal))
    else:
        tell(request, submitted)
    return redirect(f"{_address(fan)}&show={HISTORY}")


def _posted_fan(request: HttpRequest, group_id: int) -> Fan:
    """The contact with the account that the form names. Raises Http404."""
    account = request.POST.get("account", "")
    fan = fan_of(request, group_id, account=account) if group_id <= LARGEST_ID else None
    if fan is None or id_in(account) not in fan.refs:
        raise Http404
    return fan


def _role_changes_accounts(request: HttpRequest) -> bool:
    return request.user.has_perm("contacts.change_systemref")


def _submitted(request: HttpRequest, fan: Fan) -> HttpResponse:
    """What was typed is submitted; where it cannot be, the page says why and keeps it."""
    typed = Typed.of(request.POST)
    if not _role_changes_accounts(request):
        return _not_allowed(request, fan, typed)
    if typed.undecided:
        return _page(request, fan, typed=typed, theirs=typed.undecided)
    try:
        submitted = _submit(request, fan, typed)
    except Overtaken as overtaken:
        return _page(request, fan, typed=typed, theirs=overtaken.theirs)
    except MayNotCorrect:
        return _not_allowed(request, fan, typed)
    except CannotCorrect as refusal:
        return _page(request, fan, typed=typed, refusal=str(refusal))
    except Wrong as wrong:
        return _page(request, fan, typed=typed, errors=wrong.errors)
    tell(request, submitted)
    return redirect(_address(fan))


def _not_allowed(request: HttpRequest, fan: Fan, typed: Typed) -> HttpResponse:
    """403 on the page itself, where what was typed can still be read by somebody who may see the account."""
    response = _page(request, fan, typed=typed, refusal=NOT_ALLOWED)
    response.status_code = HTTPStatus.FORBIDDEN
    return response


def _submit(request: HttpRequest, fan: Fan, typed: Typed) -> Submitted:
    now = timezone.now()
    refused = _refused(request.POST.get("follows", ""), fan)
    if refused is not None:
        return send_again(refused, typed.meant, by=request.user, now=now, seen=typed.known)
    return submit(fan.account, typed.meant, seen=typed.known, by=request.user, now=now)


def _refused(write_back: str, fan: Fan) -> WriteBack | None:
    """The refused write-back of the open account that is to be corrected, if that is what is asked for."""
    wanted = id_in(write_back)
    rows = WriteBack.objects.filter(system_ref=fan.account, state=WriteBack.State.REFUSED)
    return rows.filter(pk=wanted).first() if wanted else None


def _page(request: HttpRequest, fan: Fan, *, refusal: str = "", **form: Any) -> HttpResponse:
    shows_history = request.method == "GET" and request.GET.get("show") == HISTORY
    content: dict[str, Any] = {
        "fan": fan,
        "contact": fan.contact,
        "name": fan.name,
        "account": fan.account,
        "tabs": fan.tabs(),
        "why_not": fan.why_unchangeable,
        "refusal": refusal,
        "shows_history": shows_history,
        "currency": fan.currency,
        "write_backs": states_in_words(fan.write_backs, fan.account),
        "last_purchased_at": max(
            (r.last_purchased_at for r in fan.refs.values() if r.last_purchased_at), default=None
        ),
        "timeline": fan.purchases[:PURCHASES_IN_ALL],
        "waiting": fan.waiting(organisation_of(request)),
    }
    content |= account_history(fan) if shows_history else _form(request, fan, form)
    crumbs = [("Find a fan", reverse("tdm:find")), (str(fan.contact.pk), "")]
    return page(request, "tdm/contact.html", content, crumbs=crumbs)


def _form(request: HttpRequest, fan: Fan, form: Mapping[str, Any]) -> dict[str, Any]:
    given = request.POST.get("follows", "") if request.method == "POST" else request.GET.get("correct", "")
    follows = _refused(given, fan) if given else None
    filled = follows.values if follows else {}
    names = fan.related_names()
    own = [purchase for purchase in fan.purchases if purchase.system_ref_id == fan.account.pk]
    lead = fan.lead()
    return {
        "rows": details(fan.account, fan.held, filled=filled, told=told_fields(fan), **form),
        "is_kept": bool(form) or bool(follows),
        "errors": form.get("errors") or {},
        "overtaken": form.get("theirs") or {},
        "follows": follows,
        "conflicts": [v for (ref, _f), v in fan.held.items() if ref == fan.account.pk and v.differs_since],
        "purchases": own[:PURCHASES_OF_ACCOUNT],
        "names": names[:NAMES_SHOWN],
        "more_names": len(names) > NAMES_SHOWN,
        "lead": lead,
        "may_lead": fan.may_lead(),
        "is_leader": fan.account.pk == fan.leader.system_ref_id,
    }


def _where_it_went(request: HttpRequest, group_id: int) -> HttpResponse:
    """As contacts.views.contact: a retired GroupID leads on, to one place or to a choice of several."""
    successors = successors_of(group_id, request.user)
    if not successors:
        raise Http404
    if len(successors) == 1:
        return redirect("tdm:contact", successors[0].pk)
    content = {"group_id": group_id, "lines": described(group_id, successors, request.user)}
    crumbs = [("Find a fan", reverse("tdm:find")), (str(group_id), "")]
    return page(request, "tdm/successors.html", content, crumbs=crumbs)


def _address(fan: Fan) -> str:
    return f"{reverse('tdm:contact', args=[fan.contact.pk])}?account={fan.account.pk}"

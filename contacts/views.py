"""A contact's lasting address, which follows GroupIDs that retired; its primary and CRM fields by hand."""

from typing import TYPE_CHECKING, cast
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.admin.views.decorators import staff_member_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from contacts.admin_access import organisation_of
from contacts.contact_page import show
from contacts.contact_page.crm_fields import CrmFieldsForm, called, why_not_editable
from contacts.contact_page.page import what_is_shown
from contacts.contact_page.retired import where_it_went
from contacts.models import Contact, SystemRef
from contacts.retired_numbers import LARGEST_ID as _LARGEST_ID
from contacts.services.corrections import MayNotCorrect
from contacts.services.crm_fields import Edited, crm_lock
from contacts.services.primary import (
    CannotChoosePrimary,
    MayNotChoosePrimary,
    choose_primary,
    leave_primary_to_rules,
)

if TYPE_CHECKING:
    from django.contrib.auth.models import User

_SAID = {
    False: "{} is the primary account now, by your choice: no rule and no night changes that.",
    True: "The choice is taken back: {} stays primary until a rule prefers another account.",
}


@require_safe
@staff_member_required
def contact(request: HttpRequest, group_id: int) -> HttpResponse:
    """Redirect to the page of this GroupID, or of the one it lives on in; list them when there are several.

    404 when no contact of the number, or of its successors, is visible to the user: exactly as when the
    number was never given out.
    """
    if not request.user.has_perm("contacts.view_contact"):
        raise PermissionDenied
    is_standing = Contact.objects.visible_to(request.user).filter(pk=min(group_id, _LARGEST_ID)).exists()
    if is_standing:
        return redirect("admin:contacts_contact_change", group_id)
    return where_it_went(request, group_id)


@require_POST
@staff_member_required
def choose_primary_by_hand(request: HttpRequest, group_id: int) -> HttpResponse:
    """Let one ref lead this contact, or with `leave` take that choice back; then show the contact.

    A contact or ref that the user may not see is 404, exactly as one that is not there; without the right to
    change the ref's records it is 403.
    """
    if not request.user.has_perm("contacts.change_contact"):
        raise PermissionDenied
    given = request.POST.get("ref", "")
    ref_id = int(given) if given.isdecimal() and len(given) < 19 else 0
    contact = Contact.objects.visible_to(request.user).filter(pk=min(group_id, _LARGEST_ID)).first()
    refs = SystemRef.objects.visible_to(request.user).filter(mapping__contact=contact)
    ref = refs.select_related("system").filter(pk=ref_id).first() if contact else None
    if contact is None or ref is None:
        raise Http404
    carry_out = leave_primary_to_rules if "leave" in request.POST else choose_primary
    try:
        carry_out(contact, ref, by=request.user, now=timezone.now())
    except MayNotChoosePrimary as refusal:
        raise PermissionDenied from refusal
    except CannotChoosePrimary as refusal:
        messages.warning(request, str(refusal))
    else:
        messages.success(request, _SAID["leave" in request.POST].format(ref))
    return redirect("admin:contacts_contact_change", contact.pk)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_member_required
def edit_crm_fields(request: HttpRequest, group_id: int) -> HttpResponse:
    """Save the CRM fields of a contact and show them; what is wrong stands beside its field.

    A contact that the user may not see is 404, exactly as one that is not there. While the fields are locked,
    for everyone, and without the rights it is 403. Read, the address leads to the panel.
    """
    if not request.user.has_perm("contacts.view_contact"):
        raise PermissionDenied
    contact = Contact.objects.visible_to(request.user).filter(pk=min(group_id, _LARGEST_ID)).first()
    if contact is None:
        raise Http404
    page = reverse("admin:contacts_contact_change", args=[contact.pk])
    if request.method != "POST":
        return redirect(f"{page}?{urlencode({'panel': request.GET.get('panel', 'crm')})}")
    user = cast("User", request.user)
    if crm_lock(organisation_of(request)) or why_not_editable(user):
        raise PermissionDenied
    now = timezone.now()
    form = CrmFieldsForm(request.POST, shown=what_is_shown(contact, request, now=now))
    try:
        edited = form.save(by=user, now=now)
    except MayNotCorrect as refusal:
        raise PermissionDenied from refusal
    if edited is None:
        context = {**admin.site.each_context(request), "opts": Contact._meta, "is_fullwidth": "1"}
        return show(request, contact, context=context, now=now, refused=("crm", form))
    _say_what_was_edited(request, edited)
    return redirect(f"{page}?panel=crm")


def _say_what_was_edited(request: HttpRequest, edited: Edited) -> None:
    if edited.ref is None:
        messages.info(request, "Nothing was changed: it stands like that already.")
        return
    names = [called(name) for name in edited.fields]
    said = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    messages.success(request, f"Saved: {said}, in {edited.ref}.")

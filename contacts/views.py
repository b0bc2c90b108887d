"""A contact's lasting address: leads to its page and follows GroupIDs that retired."""

from django.contrib import admin
from django.contrib.admin.views.decorators import staff_member_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from contacts.models import Contact, GroupAlias

_LARGEST_ID = 2**63 - 1


@require_safe
@staff_member_required
def contact(request: HttpRequest, group_id: int) -> HttpResponse:
    """Redirect to the page of this GroupID, or of the one it lives on in; list them when there are several.

    404 when no contact of the number, or of its successors, is visible to the user: exactly as when the
    number was never given out.
    """
    if not request.user.has_perm("contacts.view_contact"):
        raise PermissionDenied
    if group_id > _LARGEST_ID:
        raise Http404
    visible = Contact.objects.visible_to(request.user)
    if visible.filter(pk=group_id).exists():
        return redirect("admin:contacts_contact_change", group_id)
    aliases = GroupAlias.objects.visible_to(request.user).filter(group_id=group_id)
    successors = list(visible.filter(pk__in=aliases.values("contact")).order_by("pk"))
    if not successors:
        raise Http404
    if len(successors) == 1:
        return redirect("admin:contacts_contact_change", successors[0].pk)
    context = {**admin.site.each_context(request), "group_id": group_id, "successors": successors}
    context["crumbs"] = [("Contacts", reverse("admin:contacts_contact_changelist")), (str(group_id), "")]
    return render(request, "contacts/successors.html", context)

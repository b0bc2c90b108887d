"""The page of a GroupID that retired: on to its successor, or a choice of several."""

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from contacts.retired_numbers import described, successors_of


def where_it_went(request: HttpRequest, group_id: int) -> HttpResponse:
    """To the one Contact that a retired GroupID lives on in, or the choice of several; else 404."""
    successors = successors_of(group_id, request.user)
    if not successors:
        raise Http404
    if len(successors) == 1:
        return redirect("admin:contacts_contact_change", successors[0].pk)
    context = {
        **admin.site.each_context(request),
        "group_id": group_id,
        "successors": successors,
        "lines": described(group_id, successors, request.user),
        "may_read_changes": request.user.has_perm("contacts.view_groupchange"),
        "crumbs": [("Contacts", reverse("admin:contacts_contact_changelist")), (str(group_id), "")],
    }
    return render(request, "contacts/successors.html", context)

"""The demonstration's button: something changes at the live source, and the visitor watches it travel."""

from typing import Any

from django.contrib import messages
from django.contrib.admin.views.decorators import staff_member_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from contacts.models import Mapping
from contacts.permissions import SystemRight
from kore_site.demo.live_source import Change, change_a_phone_number, is_shop
from ticketing.models import PullRun, SourceConnection
from ticketing.services.pull_schedule import request_pull


@staff_member_required(login_url="admin:login")
@require_POST
def change_source(request: HttpRequest, connection_id: int) -> HttpResponse:
    """Change a phone number at the shop and ask for a pull. 404 for another source, 403 without the right."""
    visible = SourceConnection.objects.visible_to(request.user).select_related("system")
    connection = visible.filter(pk=connection_id).first()
    if connection is None or not is_shop(connection):
        raise Http404
    may_change = visible.visible_to(request.user, SystemRight.CHANGE).filter(pk=connection_id).exists()
    if not (may_change and request.user.has_perm("ticketing.pull_sourceconnection")):
        raise PermissionDenied
    change = change_a_phone_number(now=timezone.now())
    if change is None:
        messages.warning(request, "The shop has no customers left to change.")
    else:
        request_pull(connection, trigger=PullRun.Trigger.HAND, by_id=request.user.pk)
        # In the session: the page loads itself anew as the pull begins and ends, and has to go on saying it.
        request.session["demo_change"] = _told(connection, change)
    return redirect(reverse("admin:ticketing_sourceconnection_change", args=[connection.pk]))


def _told(connection: SourceConnection, change: Change) -> dict[str, Any]:
    placed = Mapping.objects.filter(
        system_ref__system=connection.system, system_ref__system_ref=change.number
    ).first()
    who = f"{change.name} ({connection.system.ref_label} {change.number})"
    return {
        "said": f"At the shop, {who} has a new mobile number: {change.mobile}. A pull brings it here.",
        "contact": placed.contact_id if placed else None,
    }

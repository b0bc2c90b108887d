"""The waiting box of a contact: requests that concern it, open ones and what came of those just settled."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q
from django.urls import reverse

from contacts.contact_page.parts import Shown
from contacts.models import GroupRequest, Organisation
from contacts.next_night import next_night_at
from contacts.request_words import RequestInWords, request_in_words
from contacts.services.group_requests import may_group

TOLD_FOR = timedelta(days=1)  # after it was settled


@dataclass(frozen=True)
class WaitingLine:
    """A request as the page of one of its Contacts tells of it. `night_at`: of one that waits for the night.

    `address`: its own page, blank for who may not read the list of requests.
    """

    words: RequestInWords
    sentence: str
    night_at: datetime | None
    address: str
    may_withdraw: bool


def waiting(shown: Shown, organisation: Organisation) -> list[WaitingLine]:
    """The lines, open requests first; two queries where there are any, else one."""
    told = Q(state__in=GroupRequest.OPEN) | Q(
        state__in=(GroupRequest.State.DONE, GroupRequest.State.FAILED),
        settled_at__gt=shown.now - TOLD_FOR,
    )
    requests = (
        GroupRequest.objects.concerning(shown.contact)
        .visible_to(shown.user)
        .filter(told)
        .select_related("by", "held_by")
        .prefetch_related("refs__system_ref__system")
        .order_by("-pk")
    )
    lines = [_line(request, shown, organisation) for request in requests]
    return sorted(lines, key=lambda line: not line.words.request.is_open)


def _line(request: GroupRequest, shown: Shown, organisation: Organisation) -> WaitingLine:
    words = request_in_words(request)
    is_waiting = request.state == GroupRequest.State.WAITING
    may_read = shown.user.has_perm("contacts.view_grouprequest")
    return WaitingLine(
        words=words,
        sentence=words.seen_from(shown.contact.pk),
        night_at=next_night_at(organisation, now=shown.now) if is_waiting else None,
        address=reverse("admin:contacts_grouprequest_change", args=[request.pk]) if may_read else "",
        may_withdraw=request.is_open and may_group(shown.user),
    )

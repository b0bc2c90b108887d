"""Remembers which contacts somebody opened last: their GroupIDs, in the session, and nothing else."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

KEY = "recent_contacts"
KEPT = 8
CONTACT_PAGE = "admin:contacts_contact_change"


class RecentContacts:
    """Notes a contact's page once it was shown; one that was refused or absent leaves no trace."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        match = request.resolver_match
        if (
            match is not None
            and match.view_name == CONTACT_PAGE
            and request.method == "GET"
            and response.status_code == 200
            and match.kwargs["object_id"].isdecimal()
        ):
            note(request, int(match.kwargs["object_id"]))
        return response


def note(request: HttpRequest, group_id: int) -> None:
    """Put the contact first; writes the session only when the order changes."""
    known = opened_last(request)
    if known[:1] != [group_id]:
        request.session[KEY] = [group_id, *(other for other in known if other != group_id)][:KEPT]


def opened_last(request: HttpRequest) -> list[int]:
    """GroupIDs, newest first."""
    return list(request.session.get(KEY, []))

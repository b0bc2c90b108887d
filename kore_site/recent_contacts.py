"""Notes which contacts somebody opens, on their page or in the TDM."""

from collections.abc import Callable, Mapping

from django.http import HttpRequest, HttpResponse

from contacts.recently_opened import note

# The pages of one contact, and what their addresses call its GroupID.
CONTACT_PAGES: Mapping[str, str] = {"admin:contacts_contact_change": "object_id", "tdm:contact": "group_id"}


class RecentContacts:
    """Notes a contact once its page was shown; one that was refused or absent leaves no trace."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        match = request.resolver_match
        if match is None or match.view_name not in CONTACT_PAGES:
            return response
        group_id = str(match.kwargs[CONTACT_PAGES[match.view_name]])
        if request.method == "GET" and response.status_code == 200 and group_id.isdecimal():
            note(request, int(group_id))
        return response

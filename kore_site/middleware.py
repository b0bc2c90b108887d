"""Shows every time in the organisation's time zone."""

import zoneinfo
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from contacts.models import Organisation


class OrganisationTimeZone:
    """Activates the organisation's time zone for people who are signed in, and hands views the row."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.user.is_authenticated:
            return self.get_response(request)
        request.organisation = Organisation.load()
        with timezone.override(zoneinfo.ZoneInfo(request.organisation.time_zone)):
            return self.get_response(request)

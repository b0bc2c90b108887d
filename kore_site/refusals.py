"""Keeps every write that was refused to somebody signed in: who, which door, which record, when."""

import logging
import re
from collections.abc import Callable

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.urls import ResolverMatch
from django.utils import timezone

from contacts.services.refused_attempts import keep_attempt

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
REFUSED = frozenset({403, 404})
NO_SUCH_ADDRESS = "(no such address)"
LEFT_OUT = "…"
_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")
_ID = re.compile(r"[0-9]{1,19}")
logger = logging.getLogger(__name__)


class RefusedWrites:
    """Notes 403 and 404 to unsafe methods after the view's transaction is over, so that no rollback takes
    the note along. Stands outside whatever changes `request.user`, and names the real person. A view that
    must answer what is hidden as what is gone sets `refused_as` of its answer to the status to note."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        status = getattr(response, "refused_as", response.status_code)
        if request.method not in SAFE_METHODS and status in REFUSED:
            self._keep(request, status)
        return response

    def _keep(self, request: HttpRequest, status: int) -> None:
        person = getattr(request, "real_user", None) or request.user
        if not person.is_authenticated:
            return
        method, door = request.method or "", door_of(request.resolver_match)
        logger.warning("Refused with %s: user %s, %s %s", status, person.pk, method, door)
        try:
            keep_attempt(user_id=person.pk, method=method, path=door, status=status, now=timezone.now())
        except DatabaseError:
            logger.exception("The refused attempt could not be kept.")


def door_of(match: ResolverMatch | None) -> str:
    """The address with ids alone: whatever else was sent in it, such as a made-up "id", is left out."""
    if match is None or "(" in match.route:  # the admin's door for what is nowhere is a pattern
        return NO_SUCH_ADDRESS

    def filled(parameter: re.Match[str]) -> str:
        value = str(match.kwargs.get(parameter[1], ""))
        return value if _ID.fullmatch(value) else LEFT_OUT

    return f"/{_PARAMETER.sub(filled, match.route)}"

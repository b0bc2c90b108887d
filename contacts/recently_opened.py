"""Which contacts somebody opened last: their GroupIDs, in the session, and nothing else."""

from django.http import HttpRequest

KEY = "recent_contacts"
KEPT = 8


def note(request: HttpRequest, group_id: int) -> None:
    """Put the contact first; writes the session only when the order changes."""
    known = opened_last(request)
    if known[:1] != [group_id]:
        request.session[KEY] = [group_id, *(other for other in known if other != group_id)][:KEPT]


def opened_last(request: HttpRequest) -> list[int]:
    """GroupIDs, newest first."""
    return list(request.session.get(KEY, []))

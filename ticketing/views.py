"""Where sources send their hints: unsigned, so that nothing is believed and everything is read again."""

import json

from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from ticketing.connectors import KINDS
from ticketing.models import PullRun, SourceConnection
from ticketing.services.pull import note_hint
from ticketing.services.pull_schedule import request_pull

MOST_BYTES = 64 * 1024


@csrf_exempt
@require_POST
def hint(request: HttpRequest, hook_key: str) -> HttpResponse:
    """Note what a source says has changed, and ask for it to be read again. 404 for an unknown address.

    The same hint waits once, however often it comes, and a paused connection keeps it for later.
    """
    connection = SourceConnection.objects.select_related("system").filter(hook_key=hook_key).first()
    kind = KINDS.get(connection.connector) if connection else None
    if connection is None or kind is None or kind.hint_of is None:
        raise Http404
    said = kind.hint_of(_payload(request))
    if said and note_hint(connection, said, now=timezone.now()) and not connection.is_paused:
        request_pull(connection, trigger=PullRun.Trigger.HINT)
    return HttpResponse(status=204)


def _payload(request: HttpRequest) -> dict[str, object]:
    """The body as an object; an empty one when it is none, or too large."""
    try:
        body = json.loads(request.body[:MOST_BYTES])
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}

"""The TDM within a CRM: its pages alone may stand in a frame, of the CRMs that the settings name."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

FRAMED_PAGES = "/tdm/"
KEY = "is_framed"
_SAID = {"1": True, "0": False}


class Framing:
    """Lets the pages of the TDM be framed by CRM_FRAME_ORIGINS, and tells them when they are.

    A browser says by itself that it loads a frame (Sec-Fetch-Dest); `?framed=1` says it for those that do
    not, until `?framed=0`, and is remembered in the session.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path.startswith(FRAMED_PAGES):
            return self.get_response(request)
        request.is_framed = _is_framed(request)  # type: ignore[attr-defined]
        response = self.get_response(request)
        if settings.CRM_FRAME_ORIGINS:
            response.xframe_options_exempt = True  # type: ignore[attr-defined]
            response._csp_replace = {"frame-ancestors": list(settings.CRM_FRAME_ORIGINS)}  # type: ignore[attr-defined]
        return response


def _is_framed(request: HttpRequest) -> bool:
    asked = _SAID.get(request.GET.get("framed", ""))
    if asked is not None and bool(request.session.get(KEY)) != asked:
        request.session[KEY] = asked
    if request.headers.get("Sec-Fetch-Dest") in ("iframe", "frame"):
        return True
    return bool(request.session.get(KEY))

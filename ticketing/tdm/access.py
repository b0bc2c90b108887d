"""Who gets into the Ticketing Data Manager, and what each of its pages is given."""

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.decorators import staff_member_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.response import TemplateResponse

LARGEST_ID = 2**63 - 1
MOST_LETTERS = 200  # of anything that is looked for
View = Callable[..., HttpResponse]


def tdm_page(*, needs: str, methods: Sequence[str] = ("GET", "HEAD")) -> Callable[[View], View]:
    """A page for staff whose role has this permission: others are refused, in the admin's own way.

    Within a CRM's frame, where the admin's sign-in may not stand, a page leads to it in a tab of its own.
    """

    def decorated(view: View) -> View:
        @wraps(view)
        def opened(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if getattr(request, "is_framed", False) and not admin.site.has_permission(request):
                return render(request, "tdm/signed_out.html", status=403)
            return for_staff(request, *args, **kwargs)

        @staff_member_required
        def for_staff(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not request.user.has_perm(needs):
                raise PermissionDenied
            if request.method not in methods:
                return HttpResponse(status=405, headers={"Allow": ", ".join(methods)})
            return view(request, *args, **kwargs)

        return opened

    return decorated


def page(
    request: HttpRequest,
    template: str,
    content: Mapping[str, Any],
    *,
    crumbs: Sequence[tuple[str, str]],
    counts: Mapping[str, int] | None = None,
) -> HttpResponse:
    """A page of the TDM on the admin's frame, which a CRM's own frame replaces.

    `counts`: by the name of a page of the sidebar, how many things wait there.
    """
    request.counts_of_pages = counts or {}  # type: ignore[attr-defined]
    is_framed = getattr(request, "is_framed", False)
    whole = {
        **admin.site.each_context(request),
        "is_fullwidth": "1",
        "is_framed": is_framed,
        "crumbs": crumbs,
        **content,
    }
    if is_framed:
        whole["is_nav_sidebar_enabled"] = False
    return TemplateResponse(request, template, whole)


def asked_in(parameters: Mapping[str, str], name: str) -> str:
    """What an address asks for under this name, as a database can be asked; blank where it does not."""
    return parameters.get(name, "").replace("\x00", "").strip()[:MOST_LETTERS]


def id_in(text: str) -> int:
    """The id that a form or an address holds; 0, which is nobody's, where it holds none."""
    return int(text) if text.isdecimal() and len(text) < len(str(LARGEST_ID)) else 0

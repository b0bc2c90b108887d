"""View as this user: a manager looks at the product with another's rights, and changes nothing meanwhile."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.admin.views.decorators import staff_member_required
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from contacts.services.viewing_as import ALLOWED_BY, MayNotViewAs, begin_viewing_as, why_not_view_as
from kore_site.refusals import SAFE_METHODS

KEY = "viewing_as"
MATRIX = "admin:contacts_rightsrecord_changelist"
# The two ways out: back to oneself, and out of the product.
ALLOWED = frozenset({"stop_viewing_as", "admin:logout"})


class ViewAs:
    """While the session says so, `request.user` is the other, and `request.real_user` who looks.

    Asked anew at each request: it ends when the person who looks loses that right, or when the other may
    suddenly do more than they. Costs nothing while nobody looks: the session is loaded for signing in anyway.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        viewing = request.session.get(KEY)
        if viewing is not None and request.user.is_authenticated:
            self._look(request, viewing)
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_: Any) -> HttpResponse | None:
        if getattr(request, "viewing_as", None) is None or request.method in SAFE_METHODS:
            return None
        if request.resolver_match is not None and request.resolver_match.view_name in ALLOWED:
            return None
        return render(request, "403_viewing_as.html", {"other": request.viewing_as}, status=403)

    def _look(self, request: HttpRequest, viewing: dict[str, int]) -> None:
        viewer = request.user
        other = User.objects.filter(pk=viewing["other"]).first() if viewing["by"] == viewer.pk else None
        reason = why_not_view_as(other, by=viewer) if other else "The account is gone."
        if other is None or reason:
            del request.session[KEY]
            messages.warning(request, f"You look with your own rights again. {reason}")
            return
        request.real_user, request.user, request.viewing_as = viewer, other, other


@require_POST
@staff_member_required
def view_as(request: HttpRequest, user_id: int) -> HttpResponse:
    """Look with this user's rights from the next page on; 403 where that is not allowed."""
    if not request.user.has_perm(ALLOWED_BY):
        raise PermissionDenied
    other = get_object_or_404(User, pk=user_id)
    try:
        begin_viewing_as(other, by=request.user, now=timezone.now())
    except MayNotViewAs as refusal:
        raise PermissionDenied from refusal
    request.session[KEY] = {"other": other.pk, "by": request.user.pk}
    return redirect("admin:index")


@require_POST
def stop_viewing_as(request: HttpRequest) -> HttpResponse:
    """Look with one's own rights again."""
    if request.session.pop(KEY, None) is None:
        return redirect("admin:index")
    return redirect(MATRIX)

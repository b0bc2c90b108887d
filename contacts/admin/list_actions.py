"""Actions over a list: rows chosen by their checkboxes, each action one door to a service or a screen."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from contacts.admin.sent_ids import sent_id

CHOSEN = "chosen"  # what the checkboxes of the rows are called


def everybody(_user: Any) -> bool:
    """For actions that ask for no more than the list itself."""
    return True


@dataclass(frozen=True)
class ListAction:
    """`carry_out` gets the admin, the request and the chosen rows in the order of the list.

    Who may not is shown the button disabled with `why_not` beside it, and refused with 403. `exactly`: how
    many rows it takes, of which the list tells; 0: any number.
    """

    name: str
    title: str
    carry_out: Callable[[Any, HttpRequest, list[Any]], HttpResponse]
    may: Callable[[Any], bool] = everybody
    why_not: str = ""
    exactly: int = 0


@dataclass(frozen=True)
class OfferedAction:
    """An action as the list offers it to one person; with a `refusal` it cannot be chosen."""

    name: str
    title: str
    refusal: str
    exactly: int = 0


class ActsOnRows:
    """For a PerSystemAdmin: takes the POSTs of its declared `list_actions`, and no others.

    Rows are found among those that the user may see; ids of others choose nothing.
    """

    list_actions: Sequence[ListAction] = ()

    def changelist_view(self: Any, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if request.method == "POST":
            return self._act(request)
        offered = [
            OfferedAction(one.name, one.title, "" if one.may(request.user) else one.why_not, one.exactly)
            for one in self.list_actions
        ]
        context = {"list_actions": offered, **(extra_context or {})}
        return super().changelist_view(request, context)  # type: ignore[misc]

    def _act(self: Any, request: HttpRequest) -> HttpResponse:
        asked = request.POST.get("action", "")
        action = next((one for one in self.list_actions if one.name == asked), None)
        if action is None or not (self.has_view_permission(request) and action.may(request.user)):
            raise PermissionDenied
        rows = self._chosen(request)
        if not rows:
            messages.warning(request, f"{action.title}: choose the rows first.")
            return redirect(request.get_full_path())
        return action.carry_out(self, request, rows)

    def _chosen(self: Any, request: HttpRequest) -> list[Any]:
        sent = dict.fromkeys(sent_id(one) for one in request.POST.getlist(CHOSEN))
        order = list(sent)[: self.list_per_page]
        found = {row.pk: row for row in self.get_queryset(request).filter(pk__in=order)}
        return [found[pk] for pk in order if pk in found]

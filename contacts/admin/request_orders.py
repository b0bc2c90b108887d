"""What can be done with a request: withdraw it, hold it, let it go, have it processed now."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from contacts.admin_access import organisation_of
from contacts.models import GroupRequest
from contacts.next_night import next_night_in_words
from contacts.request_words import request_in_words
from contacts.services.group_requests import (
    WHY_NOT,
    CannotRequest,
    hold_request,
    may_group,
    may_process,
    release_request,
    withdraw_request,
)
from contacts.services.group_requests_applied import process_now

State = GroupRequest.State
OPEN = GroupRequest.OPEN

_WHY_NOT_NOW = "Processing at once needs a right of its own. An administrator has it."


@dataclass(frozen=True)
class Order:
    """A service on one request, in which states it makes sense, and who may.

    `title_of_many`: what it is called over the list; blank where it is not offered there.
    """

    name: str
    title: str
    title_of_many: str
    carry_out: Callable[..., GroupRequest]
    states: Sequence[str]
    may: Callable[[Any], bool]
    why_not: str


@dataclass(frozen=True)
class OfferedOrder:
    """An order as one person is offered it; with a `refusal` it cannot be pressed."""

    name: str
    title: str
    refusal: str


ORDERS = (
    Order(
        "withdraw", "Withdraw", "Withdraw selected", withdraw_request, GroupRequest.OPEN, may_group, WHY_NOT
    ),
    Order("hold", "Hold", "Hold selected", hold_request, (State.WAITING,), may_group, WHY_NOT),
    Order("release", "Let go", "Let go selected", release_request, (State.HELD,), may_group, WHY_NOT),
    Order("process", "Process now", "", process_now, (State.WAITING,), may_process, _WHY_NOT_NOW),
)


def offered_orders(request: GroupRequest, user: Any) -> list[OfferedOrder]:
    """What makes sense as the request stands."""
    return [
        OfferedOrder(order.name, order.title, "" if order.may(user) else order.why_not)
        for order in ORDERS
        if request.state in order.states
    ]


def say(request: HttpRequest, settled: GroupRequest, *, night: str) -> None:
    """Tell what came of it, and what can be done next."""
    number = f"Request {settled.pk}"
    match settled.state:
        case State.WITHDRAWN:
            messages.success(request, f"{number} is withdrawn: nothing will change. It can be filed again.")
        case State.HELD:
            messages.success(request, f"{number} is held: no night touches it until it is let go.")
        case State.WAITING:
            messages.success(request, f"{number} was let go: it will be processed overnight, {night}.")
        case State.DONE:
            words = request_in_words(settled)
            messages.success(request, f"{number} is done: {words.sentence}. It can be undone.")
        case State.FAILED:
            messages.error(request, f"{number} failed. {settled.outcome}")


def carry_out_all(order: Order) -> Callable[[Any, HttpRequest, list[GroupRequest]], HttpResponse]:
    """The order over chosen rows: each by itself; what cannot be done is listed with its reason."""

    def carry_out(model_admin: Any, request: HttpRequest, rows: list[GroupRequest]) -> HttpResponse:
        done, now = 0, timezone.now()
        for row in rows:
            try:
                if row.state not in order.states:
                    raise CannotRequest(f"It is {row.get_state_display()}.")
                order.carry_out(row, by=request.user, now=now)
                done += 1
            except CannotRequest as refusal:
                messages.warning(request, f"Request {row.pk} stays as it is. {refusal}")
        if done:
            messages.success(
                request, _said(order, done, night=next_night_in_words(organisation_of(request), now=now))
            )
        return redirect(request.get_full_path())

    return carry_out


def _said(order: Order, done: int, *, night: str) -> str:
    requests = f"{done} request{'s' if done > 1 else ''}"
    are = "are" if done > 1 else "is"
    return {
        "withdraw": f"{requests} {are} withdrawn: nothing will change.",
        "hold": f"{requests} {are} held: no night touches them until they are let go.",
        "release": f"{requests} {are} let go, into the coming night: {night}.",
    }[order.name]

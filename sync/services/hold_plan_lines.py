"""Hold a line of tonight's plan, or let it go: by its request where there is one, else by its refs."""

from collections.abc import Callable
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from contacts.models import HeldLine
from contacts.services.group_requests import CannotRequest, hold_request, release_request
from contacts.services.held_lines import CannotHold, hold, let_go
from sync.models import PlanLine
from sync.night_effects import BY_RULE, hold_kind_of


class CannotHoldLine(CannotHold):
    """The line is not one that a night can leave out."""


def hold_line(line: PlanLine, *, by: User, now: datetime) -> None:
    """Keep the coming nights from doing this, until it is let go. Twice changes nothing.

    Raises CannotHold with the reason: MayNotHold without the right to group or to see every ref of it.
    """
    if line.request is not None:
        _as_asked(hold_request, line, by=by, now=now)
        return
    kind = line_hold_kind(line)
    if kind is None:
        raise CannotHoldLine("This cannot be held: it only repairs, or places somebody new.")
    hold(_refs_of(line), kind=kind, by=by, now=now)


@transaction.atomic
def let_line_go(line: PlanLine, *, by: User, now: datetime) -> None:
    """Let the coming night do it again: every hold that keeps it goes. Raises as `hold_line`."""
    if line.request is not None:
        _as_asked(release_request, line, by=by, now=now)
        return
    holds = HeldLine.objects.filter(kind=line_hold_kind(line), refs__system_ref__in=_refs_of(line))
    for held in holds.distinct():
        let_go(held, by=by)


def line_hold_kind(line: PlanLine) -> HeldLine.Kind | None:
    """How it is held where no request asked for it; None: not at all. A lead that went on from an account
    that is gone is none of the primary rules' doing, and goes with its group.
    """
    if line.kind == PlanLine.Kind.PRIMARY and line.reason != BY_RULE:
        return None
    return hold_kind_of(line.kind, makes_contact_alone=not line.before)


def _as_asked(order: Callable[..., object], line: PlanLine, *, by: User, now: datetime) -> None:
    try:
        order(line.request, by=by, now=now)
    except CannotRequest as refusal:
        raise CannotHoldLine(str(refusal)) from None


def _refs_of(line: PlanLine) -> list[int]:
    return list(line.refs.values_list("system_ref", flat=True))

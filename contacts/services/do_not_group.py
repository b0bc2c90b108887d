"""Do-not-group rules by hand: one for two System Refs, and lifting several at once (BEYOND 1)."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from contacts.models import GroupDecision, SystemRef
from contacts.services.decisions import (
    decide,
    lift_decision,
    pair_of,
    require_may_decide,
    restore_decision,
    standing_among,
)

LONGEST_REASON = 300


class CannotDecide(Exception):
    """Says, in words for the person at the screen, why there is no such rule to be made."""


@transaction.atomic
def never_group(left: SystemRef, right: SystemRef, *, reason: str, by: User, now: datetime) -> GroupDecision:
    """Have these two never belong together, until somebody lifts it; parted by the next run if they do.

    A standing word that they do belong together is lifted. Raises MayNotDecide, CannotDecide for one ref
    twice, no reason, or a rule that stands already.
    """
    require_may_decide([left.pk, right.pk], by=by)
    if left.pk == right.pk:
        raise CannotDecide("A rule is about two System Refs; these are one and the same.")
    if not reason.strip():
        raise CannotDecide("Give the reason: whoever wonders later reads it.")
    pair = pair_of(left.pk, right.pk)
    for standing in standing_among(pair).values():
        if standing.kind == GroupDecision.Kind.NEVER and not standing.is_for_one_run:
            author = standing.author
            who = (author.get_full_name() or author.get_username()) if author else "Somebody"
            raise CannotDecide(f"{who} made this rule on {standing.since:%-d %b %Y} already.")
    try:
        with transaction.atomic():
            [made], _lifted = decide(
                [pair], GroupDecision.Kind.NEVER, by=by, now=now, reason=reason.strip()[:LONGEST_REASON]
            )
    except IntegrityError:
        raise CannotDecide("Somebody decided about these two just now. Look again.") from None
    return GroupDecision.objects.get(pk=made)


@transaction.atomic
def lift_decisions(decisions: Iterable[GroupDecision], *, by: User, now: datetime) -> list[int]:
    """Lift those of them that stand; returns their ids. All or none: raises MayNotDecide."""
    return [one.pk for one in decisions if lift_decision(one, by=by, now=now)]


@transaction.atomic
def restore_decisions(decisions: Sequence[GroupDecision], *, by: User) -> list[int]:
    """Take back that they were lifted, where nothing else was decided since; returns those that stand."""
    return [one.pk for one in decisions if restore_decision(one, by=by)]

"""What people decided about pairs of System Refs: written, lifted, and stood up again."""

from collections.abc import Collection, Iterable
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from contacts.models import GroupDecision, SystemRef
from contacts.models.any_of import AnyOf
from contacts.permissions import SystemRight, systems_with

Pair = tuple[int, int]  # ref ids, the lower first
PAIRS_AT_ONCE = 2_000

Kind = GroupDecision.Kind


class MayNotDecide(Exception):
    """The user may not group, or may not see both records; says nothing of what is hidden."""

    def __init__(self) -> None:
        super().__init__("You may not decide about these records.")


def pair_of(one: int, other: int) -> Pair:
    """As decisions name pairs: the lower id first."""
    return (one, other) if one < other else (other, one)


def pairs_between(one: Iterable[int], other: Iterable[int]) -> list[Pair]:
    """Each of one side with each of the other, in order."""
    others = list(other)
    return sorted({pair_of(a, b) for a in one for b in others if a != b})


def standing_between(pairs: Collection[Pair]) -> list[GroupDecision]:
    """The standing decisions on these pairs; locks none."""
    wanted = set(pairs)
    ends = sorted({end for pair in wanted for end in pair})
    found: dict[int, GroupDecision] = {}
    for start in range(0, len(ends), PAIRS_AT_ONCE):
        chunk = ends[start : start + PAIRS_AT_ONCE]
        rows = GroupDecision.objects.standing().filter(AnyOf("left", chunk))
        rows = rows.select_related("author", "left__system", "right__system")
        found |= {row.pk: row for row in rows if (row.left_id, row.right_id) in wanted}
    return list(found.values())


@transaction.atomic
def decide(
    pairs: Collection[Pair],
    kind: GroupDecision.Kind,
    *,
    by: User | None,
    now: datetime,
    reason: str = "",
    is_for_one_run: bool = False,
) -> tuple[list[int], list[int]]:
    """Have these pairs belong together, or never; returns the ids of the decisions made and lifted for it.

    A standing decision of the same kind stays as it is, but one for a single run gives way to one that
    lasts; one of the other kind is lifted. Idempotent; of two callers at once one meets the constraint (one
    standing decision per pair) and its transaction is taken back. Asks for no rights: who calls it does.
    """
    lifted, kept = [], set()
    for standing in standing_between(pairs):
        if standing.kind == kind and (is_for_one_run or not standing.is_for_one_run):
            kept.add((standing.left_id, standing.right_id))
        else:
            lifted.append(standing.pk)
    lift(lifted, by=by, now=now)
    wanted = sorted(set(pairs) - kept)
    made = GroupDecision.objects.bulk_create(
        [
            GroupDecision(
                kind=kind,
                left_id=left,
                right_id=right,
                author=by,
                reason=reason,
                since=now,
                is_for_one_run=is_for_one_run,
            )
            for left, right in wanted
        ],
        batch_size=PAIRS_AT_ONCE,
    )
    return [decision.pk for decision in made], lifted


def lift(decision_ids: Collection[int], *, by: User | None, now: datetime) -> int:
    """End these decisions where they stand; returns how many did. Asks for no rights."""
    count = 0
    ids = sorted(decision_ids)
    for start in range(0, len(ids), PAIRS_AT_ONCE):
        rows = GroupDecision.objects.standing().filter(AnyOf("id", ids[start : start + PAIRS_AT_ONCE]))
        count += rows.update(until=now, lifted_by=by)
    return count


def stand_again(decision_ids: Collection[int]) -> list[int]:
    """Take back that these were lifted, where nothing else was decided since; returns those that stand."""
    stood = []
    for decision in GroupDecision.objects.filter(pk__in=decision_ids).exclude(until=None).order_by("pk"):
        others = GroupDecision.objects.standing().filter(left=decision.left_id, right=decision.right_id)
        if not others.exists():
            GroupDecision.objects.filter(pk=decision.pk).update(until=None, lifted_by=None)
            stood.append(decision.pk)
    return stood


@transaction.atomic
def lift_decision(decision: GroupDecision, *, by: User | None, now: datetime) -> bool:
    """Lift one decision by a person's word; the next run may go otherwise. Returns whether it stood.

    Raises MayNotDecide without the right to group, or to see both records.
    """
    require_may_decide([decision.left_id, decision.right_id], by=by)
    return lift([decision.pk], by=by, now=now) > 0


@transaction.atomic
def restore_decision(decision: GroupDecision, *, by: User | None) -> bool:
    """Take back that one decision was lifted; returns whether it stands anew. Raises MayNotDecide."""
    require_may_decide([decision.left_id, decision.right_id], by=by)
    return bool(stand_again([decision.pk]))


def require_may_decide(ref_ids: Collection[int], *, by: User | None) -> None:
    """Raise MayNotDecide unless the user may group and see all these refs; the system itself may."""
    if by is None:
        return
    hidden = SystemRef.objects.filter(pk__in=ref_ids).exclude(system__in=systems_with(by, SystemRight.VIEW))
    if not by.has_perm("contacts.group_contacts") or hidden.exists():
        raise MayNotDecide

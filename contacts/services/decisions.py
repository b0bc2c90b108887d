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


def standing_among(ref_ids: Collection[int]) -> dict[Pair, GroupDecision]:
    """The standing decisions with both ends among these refs; locks none."""
    here = set(ref_ids)
    ends = sorted(here)
    found: dict[Pair, GroupDecision] = {}
    for start in range(0, len(ends), PAIRS_AT_ONCE):
        rows = GroupDecision.objects.standing().filter(AnyOf("left", ends[start : start + PAIRS_AT_ONCE]))
        rows = rows.select_related("author", "left__system", "right__system")
        found |= {(row.left_id, row.right_id): row for row in rows if row.right_id in here}
    return found


class Ledger:
    """Decisions to be written about some refs, for several owners (requests) at once.

    A standing decision of the same kind stays as it is, but one for a single run gives way to one that
    lasts; one of the other kind is lifted. Idempotent; of two callers at once one meets the constraint (one
    standing decision per pair) and its transaction is taken back. Asks for no rights: who uses it does.
    """

    def __init__(self, ref_ids: Collection[int]) -> None:
        self._standing = standing_among(ref_ids)
        self._wanted: list[tuple[int, GroupDecision]] = []
        self._lifted: list[tuple[int, int, User | None]] = []
        self._standing_again: list[int] = []

    def bars(self, pairs: Iterable[Pair], *, for_one_run: bool = False) -> list[GroupDecision]:
        """The do-not-group rules on these pairs: those that last, or those for one run."""
        found = (self._standing.get(pair) for pair in pairs)
        return [d for d in found if d and d.kind == Kind.NEVER and d.is_for_one_run == for_one_run]

    def lift(self, decision: GroupDecision, *, owner: int, by: User | None) -> None:
        """Have a standing decision end."""
        del self._standing[decision.left_id, decision.right_id]
        self._lifted.append((owner, decision.pk, by))

    def lift_ids(self, decision_ids: Collection[int], *, owner: int, by: User | None) -> None:
        """Have those of these that stand end."""
        for decision in [d for d in self._standing.values() if d.pk in decision_ids]:
            self.lift(decision, owner=owner, by=by)

    def stand_again(self, decision_ids: Collection[int]) -> None:
        """Take back that these were lifted, where nothing else stands on the pair; one query.

        Those for one run are over.
        """
        if not decision_ids:
            return
        ended = GroupDecision.objects.filter(pk__in=decision_ids, is_for_one_run=False).exclude(until=None)
        for decision in ended.order_by("pk"):
            if self._standing.setdefault((decision.left_id, decision.right_id), decision) is decision:
                self._standing_again.append(decision.pk)

    def want(
        self,
        pairs: Iterable[Pair],
        kind: GroupDecision.Kind,
        *,
        owner: int,
        by: User | None,
        now: datetime,
        reason: str = "",
        is_for_one_run: bool = False,
    ) -> None:
        """Have these pairs belong together, or never."""
        for pair in pairs:
            standing = self._standing.get(pair)
            if standing and standing.kind == kind and (is_for_one_run or not standing.is_for_one_run):
                continue
            if standing and standing.kind == Kind.NEVER and not standing.is_for_one_run:
                continue  # a do-not-group rule is lifted by a person alone
            if standing:
                self.lift(standing, owner=owner, by=by)
            decision = GroupDecision(
                kind=kind,
                left_id=pair[0],
                right_id=pair[1],
                author=by,
                reason=reason,
                since=now,
                is_for_one_run=is_for_one_run,
            )
            self._standing[pair] = decision
            self._wanted.append((owner, decision))

    def write(self, *, now: datetime) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
        """Write it all; returns, by owner, the ids of the decisions made and of those lifted."""
        made: dict[int, list[int]] = {}
        lifted: dict[int, list[int]] = {}
        by_whom: dict[User | None, list[int]] = {}
        for owner, decision_id, by in self._lifted:
            lifted.setdefault(owner, []).append(decision_id)
            by_whom.setdefault(by, []).append(decision_id)
        if self._standing_again:
            again = GroupDecision.objects.filter(AnyOf("id", self._standing_again))
            again.update(until=None, lifted_by=None)
        for by, ids in by_whom.items():
            lift(ids, by=by, now=now)
        rows = [decision for _owner, decision in self._wanted]
        GroupDecision.objects.bulk_create(rows, batch_size=PAIRS_AT_ONCE)
        for owner, decision in self._wanted:
            made.setdefault(owner, []).append(decision.pk)
        return made, lifted


@transaction.atomic
def decide(
    pairs: Collection[Pair],
    kind: GroupDecision.Kind,
    *,
    by: User | None,
    now: datetime,
    reason: str = "",
) -> tuple[list[int], list[int]]:
    """Have these pairs belong together, or never; returns the ids of the decisions made and lifted for it.

    As a Ledger does. Asks for no rights: who calls it does.
    """
    ledger = Ledger({end for pair in pairs for end in pair})
    ledger.want(sorted(set(pairs)), kind, owner=0, by=by, now=now, reason=reason)
    made, lifted = ledger.write(now=now)
    return made.get(0, []), lifted.get(0, [])


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

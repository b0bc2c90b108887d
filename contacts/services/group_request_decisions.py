"""The group decisions that go with a request: which stand in its way, which it makes and which it lifts."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial

from contacts.group_plan import ChangeSet
from contacts.models import GroupChange, GroupDecision, GroupRequest, Move
from contacts.models.any_of import AnyOf
from contacts.services.decisions import Ledger, Pair, pair_of, pairs_between
from contacts.services.group_undo import refs_before

Kind = GroupRequest.Kind
Decision = GroupDecision.Kind


def bars_in_the_way(
    parts: Sequence[Sequence[int]], ledger: Ledger, *, undoing: GroupChange | None, home: Mapping[int, int]
) -> list[GroupDecision]:
    """The do-not-group rules that last between refs of one part: a person has to lift them first (BEYOND 1).

    `parts`: the refs of each Contact as it would be; `home`: the GroupID that each stands under now. An undo
    lifts what came with its change, and leaves alone what the night is to part anyway.
    """
    found = [bar for part in parts for bar in ledger.bars(pairs_between(part, part))]
    if undoing is None:
        return found
    own = lifted_with(undoing)
    return [b for b in found if b.pk not in own and home.get(b.left_id) != home.get(b.right_id)]


def lifted_with(change: GroupChange) -> set[int]:
    """The decisions that an undo of the change lifts: its own, and those of later changes' undoing.

    They were to keep away what the later change did, and say nothing of what was before it.
    """
    refs = list(refs_before(change))
    later = Move.objects.filter(AnyOf("system_ref", refs), change__gt=change.pk, change__undid__isnull=False)
    undone = GroupChange.objects.filter(pk__in=later.values("change")).values_list("made", flat=True)
    return {decision for made in (change.made, *undone) for decision in made}


def decide_for(request: GroupRequest, change_set: ChangeSet, ledger: Ledger, *, now: datetime) -> None:
    """Have the ledger keep the night from doing otherwise than the request."""
    reason = request.reason or f"{request.get_kind_display()}, request {request.pk}"
    wants = partial(ledger.want, owner=request.pk, by=request.by, now=now, reason=reason)
    parts = [[member.ref_id for member in part.members] for part in change_set]
    change = request.undoes
    if change is not None:
        ledger.lift_ids(lifted_with(change), owner=request.pk, by=request.by)
        ledger.stand_again(change.lifted)
    for part in parts:
        for bar in ledger.bars(pairs_between(part, part), for_one_run=True):
            ledger.lift(bar, owner=request.pk, by=request.by)
    leaders = {part.primary_ref_id for part in change_set}
    _bind(request, parts, leaders, wants)
    if request.kind in (Kind.UNGROUP, Kind.SPLIT) or (change is not None and change.is_join):
        wants(list(_across(parts)), Decision.NEVER, is_for_one_run=request.may_regroup)


def _bind(
    request: GroupRequest,
    parts: Sequence[Sequence[int]],
    leaders: Collection[int],
    wants: Callable[..., None],
) -> None:
    """Every ref of a Contact that was made by hand belongs to the one that leads it.

    Not the primaries alone: where two people's dates of birth meet, the guards of the engine would let go
    what hangs on by links; and those of one part may have hung together by others that left.
    """
    for part in parts:
        if not _is_bound(request, part):
            continue
        leader = next(ref_id for ref_id in part if ref_id in leaders)
        wants([pair_of(leader, ref_id) for ref_id in part if ref_id != leader], Decision.MUST)


def _is_bound(request: GroupRequest, part: Sequence[int]) -> bool:
    """Of an undo, the Contacts whose refs the change had parted; what it had joined hangs together anyway."""
    change = request.undoes
    if change is None:
        return request.kind != Kind.UNGROUP
    after = {ref_id: group_id for group_id, refs in change.after.items() for ref_id in refs}
    return len({after[ref_id] for ref_id in part if ref_id in after}) > 1


def _across(parts: Sequence[Sequence[int]]) -> Iterator[Pair]:
    """Each ref of one part with each of every other."""
    for number, part in enumerate(parts):
        for other in parts[number + 1 :]:
            yield from pairs_between(part, other)

"""Finds records that a person had parted and that stand in one Contact again (R-CM-24)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Exists, OuterRef

from contacts.models import Contact, GroupChange, GroupRequest, Link, Move, SystemRef
from contacts.models import Mapping as Placement

_LOOKED_AT = 5  # requests, and changes after each: older ones were followed by newer decisions
_PARTING = (GroupRequest.Kind.UNGROUP, GroupRequest.Kind.SPLIT, GroupRequest.Kind.UNDO)


@dataclass(frozen=True)
class CameBack:
    """A request that parted refs which stand together again, and the change that brought them together.

    `group_ids`: the GroupIDs that these refs had apart; `sides` are the refs under each. `link`: the joining
    link between two of the sides that weighs most, None where a decision or third refs connect them.
    """

    request: GroupRequest
    group_ids: Sequence[int]
    sides: Sequence[Sequence[int]]
    joined: GroupChange
    link: Link | None

    @property
    def ref_ids(self) -> list[int]:
        return [ref_id for side in self.sides for ref_id in side]

    @property
    def told_ref_ids(self) -> set[int]:
        """Every ref of the two changes: their GroupIDs and numbers tell of those that are elsewhere, too."""
        return {
            *(ref_id for change in (self.request.change, self.joined) for ref_id in change.ref_ids),
            *self.ref_ids,
        }


def came_back(contact: Contact, *, user: User | AnonymousUser) -> CameBack | None:
    """The newest ungrouping, split or undo whose refs a night put together again; None without any.

    What a person grouped again is no mistake of a rule and not reported. Told of requests and changes alone
    of which the user may see every ref. Five queries at most, one where nothing was ever parted.
    """
    parted = (
        GroupRequest.objects.visible_to(user)
        .concerning(contact)
        .filter(state=GroupRequest.State.DONE, kind__in=_PARTING)
        .filter(change__in=GroupChange.objects.visible_to(user))  # which may hold more refs than were asked
        .select_related("by", "change")
        .order_by("-settled_at", "-pk")[:_LOOKED_AT]
    )
    requests = list(parted)
    if not requests:
        return None
    seen = SystemRef.objects.visible_to(user)
    placed = Placement.objects.filter(contact=contact, system_ref__in=seen)
    here = set(placed.values_list("system_ref_id", flat=True))
    for request in requests:
        apart = {int(group): set(refs) & here for group, refs in request.change.after.items()}
        sides = {group: sorted(refs) for group, refs in sorted(apart.items()) if refs}
        if len(sides) < 2:
            continue
        joined = _joined_since(request, sides, user=user)
        if joined is None or joined.request_id is not None:
            return None  # a person's word, or something that this reader may not see
        return CameBack(request, list(sides), list(sides.values()), joined, _link_between(sides, user=user))
    return None


def _joined_since(
    request: GroupRequest, sides: Mapping[int, Sequence[int]], *, user: User | AnonymousUser
) -> GroupChange | None:
    """The first change after the request that put refs of two sides under one GroupID."""
    refs = [ref_id for side in sides.values() for ref_id in side]
    moves = Move.objects.filter(change=OuterRef("pk"), system_ref__in=refs)
    changes: Any = GroupChange.objects.visible_to(user).filter(
        Exists(moves), is_join=True, pk__gt=request.change.pk
    )
    side_of = {ref_id: group for group, side in sides.items() for ref_id in side}
    for change in changes.select_related("run", "request__by", "by").order_by("-pk")[:_LOOKED_AT]:
        together = ({side_of[ref] for ref in held if ref in side_of} for held in change.after.values())
        if any(len(groups) > 1 for groups in together):
            return change
    return None


def _link_between(sides: Mapping[int, Sequence[int]], *, user: User | AnonymousUser) -> Link | None:
    side_of = {ref_id: group for group, side in sides.items() for ref_id in side}
    links = Link.objects.visible_to(user).filter(
        left__in=side_of, right__in=side_of, decision=Link.Decision.JOINED
    )
    found = links.select_related("model_version").order_by("-weight")
    return next((link for link in found if side_of[link.left_id] != side_of[link.right_id]), None)

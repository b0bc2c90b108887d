"""Turns requests into what has to be written, from the mapping as it stands under lock."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from itertools import groupby

from django.contrib.auth.models import User
from django.db.models import F

from contacts.group_plan import ChangeSet, Member, Part
from contacts.models import (
    Contact,
    GoldenPin,
    GroupChange,
    GroupDecision,
    GroupRequest,
    Move,
    RequestRef,
    SystemRef,
)
from contacts.models import Mapping as Placed
from contacts.models.any_of import AnyOf
from contacts.models.mapping import PrimaryBy
from contacts.permissions import SystemRight, systems_with
from contacts.services.decisions import Ledger
from contacts.services.golden import origins
from contacts.services.group_changes import Order
from contacts.services.group_request_decisions import bars_in_the_way, decide_for
from contacts.services.group_undo import blocked_by, undo_parts
from contacts.services.grouping_input import excluded_systems

Kind = GroupRequest.Kind
Decision = GroupDecision.Kind
CAUSES = {
    Kind.GROUP: Move.Cause.GROUPED,
    Kind.UNGROUP: Move.Cause.UNGROUPED,
    Kind.SPLIT: Move.Cause.PARTED,
    Kind.UNDO: Move.Cause.UNDONE,
}
CHANGED = "The records changed since it was filed, so that it fits them no more."
NOT_SEEN = "Whoever asked for it may not see all of these records any more."
LATER = "A change that came later on the same records has to be undone first."
NOT_ACROSS = "One of the systems is kept out of matching across systems since."
BARRED = "A do-not-group rule that stands between the records has to be lifted first."


class MayNotCarryOut(Exception):
    """Whoever has a request done at once may not group, or see every ref concerned."""


def systems_of_grouper(user: User) -> frozenset[int]:
    """The systems whose records the user may group: none without the right to (R-CM-27)."""
    if not (user.is_active and user.has_perm("contacts.group_contacts")):
        return frozenset()
    return systems_with(user, SystemRight.VIEW)


@dataclass
class Planned:
    """A request and what it comes to: the Contacts as they will be, or why it cannot be done."""

    request: GroupRequest
    refusal: str = ""
    change_set: ChangeSet = ()
    order: Order = field(default_factory=lambda: Order(Move.Cause.GROUPED, None, None))


@dataclass(frozen=True)
class _Stands:
    """The refs of the Contacts concerned, in first-found order, with the systems they are of."""

    members: Mapping[int, Sequence[Member]]  # by GroupID
    system_of: Mapping[int, int]
    home: Mapping[int, int]  # the GroupID that a ref stands under

    def of(self, group_ids: Sequence[int]) -> list[Member]:
        return [member for group_id in group_ids for member in self.members[group_id]]


def plan_requests(
    requests: Sequence[GroupRequest], *, now: datetime, presser: User | None = None
) -> list[Planned]:
    """What these requests come to, with the group decisions that go with them written.

    Call it in the transaction that carries them out: it locks the refs and then the Contacts concerned. They
    have no ref in common, by constraint; where records met since, the later request is refused. Who asked,
    and `presser`, who has them done at once, have to hold the rights at this moment, over all refs that
    stand in the Contacts now. Raises MayNotCarryOut.
    """
    named = _named(requests)
    stands = _lock_and_read([ref_id for refs in named.values() for ref_id, _part in refs])
    ledger, apart = Ledger(stands.home), excluded_systems()
    seen = cache(systems_of_grouper)
    taken: set[int] = set()
    planned = []
    for request in requests:
        plan = Planned(request)
        refs = [(ref_id, part) for ref_id, part in named.get(request.pk, ()) if ref_id in stands.home]
        groups = list(dict.fromkeys(stands.home[ref_id] for ref_id, _part in refs))
        plan.refusal = _refusal(request, refs, groups, stands, seen, presser)
        if not plan.refusal and taken.intersection(groups):
            plan.refusal = CHANGED
        if not plan.refusal:
            plan.change_set = _change_set(request, refs, stands)
            plan.refusal = _refusal_of(plan, stands, ledger, apart)
        if not plan.refusal:
            taken.update(groups)
            decide_for(request, plan.change_set, ledger, now=now)
        planned.append(plan)
    made, lifted = ledger.write(now=now)
    for plan in planned:
        request = plan.request
        plan.order = Order(
            CAUSES[Kind(request.kind)],
            request.pk,
            request.by_id,
            made.get(request.pk, []),
            lifted.get(request.pk, []),
        )
    _pin_masters(planned)
    return planned


def _named(requests: Sequence[GroupRequest]) -> dict[int, list[tuple[int, int]]]:
    rows = RequestRef.objects.filter(AnyOf("request", [request.pk for request in requests]))
    columns = ("request_id", "part", "system_ref_id")
    ordered = rows.order_by(*columns).values_list(*columns)
    return {
        request_id: [(ref_id, part) for _request, part, ref_id in refs]
        for request_id, refs in groupby(ordered, key=lambda row: row[0])
    }


def _lock_and_read(ref_ids: Sequence[int]) -> _Stands:
    """Locks every ref of the Contacts of these refs, and then the Contacts, in the order of their ids."""
    contacts = set(Placed.objects.filter(AnyOf("system_ref", ref_ids)).values_list("contact", flat=True))
    everyone = sorted(Placed.objects.filter(AnyOf("contact", list(contacts))).values_list("pk", flat=True))
    refs = SystemRef.objects.filter(AnyOf("id", everyone)).order_by("pk").select_for_update(no_key=True)
    list(refs.values_list("pk"))
    locked = Contact.objects.filter(AnyOf("id", sorted(contacts))).select_for_update().order_by("pk")
    list(locked.values_list("pk"))
    rows = Placed.objects.filter(AnyOf("contact", list(contacts))).order_by(
        "contact",
        "system_ref__arrived_at",
        "system_ref__system__rank",
        F("system_ref__created_at").asc(nulls_last=True),
        "system_ref__system_ref",
        "pk",
    )
    members: dict[int, list[Member]] = {}
    system_of: dict[int, int] = {}
    for ref_id, contact_id, is_primary, primary_by, system_id in rows.values_list(
        "pk", "contact_id", "is_primary", "primary_by", "system_ref__system_id"
    ):
        member = Member(ref_id, contact_id, contact_id, is_primary, primary_by == PrimaryBy.HAND)
        members.setdefault(contact_id, []).append(member)
        system_of[ref_id] = system_id
    home = {member.ref_id: group_id for group_id, here in members.items() for member in here}
    return _Stands(members, system_of, home)


def _refusal(
    request: GroupRequest,
    refs: Sequence[tuple[int, int]],
    groups: Sequence[int],
    stands: _Stands,
    seen: Callable[[User], frozenset[int]],
    presser: User | None,
) -> str:
    """Why the request cannot be carried out as things stand; blank where it can.

    Raises MayNotCarryOut where whoever has it done at once may not; then it goes on waiting.
    """
    if not refs:
        return CHANGED
    concerned = {stands.system_of[member.ref_id] for member in stands.of(groups)}
    if presser is not None and not concerned <= seen(presser):
        raise MayNotCarryOut
    if not request.is_by_system and (request.by is None or not concerned <= seen(request.by)):
        return NOT_SEEN
    if request.kind == Kind.GROUP:
        return _refusal_of_grouping(refs, groups, stands)
    if request.kind == Kind.UNDO:
        change = request.undoes
        if change is None or change.undone_by_id is not None:
            return CHANGED
        return _refusal_of_undo(change, by=request.by)
    return CHANGED if len(groups) > 1 else ""


def _refusal_of_undo(change: GroupChange, *, by: User | None) -> str:
    newer = blocked_by(change)
    if newer is None:
        return ""
    if by is not None and not newer.is_visible_to(by):
        return NOT_SEEN
    return LATER


def _refusal_of_grouping(refs: Sequence[tuple[int, int]], groups: Sequence[int], stands: _Stands) -> str:
    """Each side has to be of one Contact still, and there have to be two at least."""
    sides: dict[int, set[int]] = {}
    for ref_id, part in refs:
        sides.setdefault(part, set()).add(stands.home[ref_id])
    if 0 not in sides or len(groups) < 2 or any(len(homes) > 1 for homes in sides.values()):
        return CHANGED
    return ""


def _change_set(request: GroupRequest, refs: Sequence[tuple[int, int]], stands: _Stands) -> ChangeSet:
    groups = list(dict.fromkeys(stands.home[ref_id] for ref_id, _part in refs))
    if request.kind == Kind.UNDO:
        assert request.undoes is not None
        return undo_parts(request.undoes, stands.of(groups))
    if request.kind == Kind.GROUP:
        master = next(stands.home[ref_id] for ref_id, part in refs if part == 0)
        return [Part(master, stands.of(groups), _leader_of_all(master, groups, stands))]
    [group_id] = groups
    members = stands.members[group_id]
    if request.kind == Kind.UNGROUP:
        return _apart(group_id, [[member] for member in members])
    part_of = dict(refs)
    parts: dict[int, list[Member]] = {}
    for member in members:
        parts.setdefault(part_of.get(member.ref_id, 0), []).append(member)
    return _apart(group_id, [parts[number] for number in sorted(parts)])


def _apart(group_id: int, parts: Sequence[Sequence[Member]]) -> ChangeSet:
    """The GroupID stays with the part that holds the primary (DECISIONS 4); the others get new ones."""
    leader = _leader([member for part in parts for member in part])
    return [
        Part(group_id, part, leader)
        if any(member.ref_id == leader for member in part)
        else Part(None, part, part[0].ref_id)
        for part in parts
    ]


def _leader_of_all(master: int, groups: Sequence[int], stands: _Stands) -> int:
    """The master's primary, unless that was not chosen by hand and a child's was (C-8); then the oldest's."""
    first_master = sorted(groups, key=lambda group_id: (group_id != master, group_id))
    heads = [head for head in stands.of(first_master) if head.is_primary and head.is_hand_chosen]
    return heads[0].ref_id if heads else _leader(stands.members[master])


def _leader(members: Sequence[Member]) -> int:
    return next((member for member in members if member.is_primary), members[0]).ref_id


def _refusal_of(plan: Planned, stands: _Stands, ledger: Ledger, apart: Collection[int]) -> str:
    """Something has to be left to do, and nothing in the way that would make the next run part it again."""
    change_set = plan.change_set
    if not any(member.contact_id != part.contact_id for part in change_set for member in part.members):
        return CHANGED
    parts = [[member.ref_id for member in part.members] for part in change_set]
    if bars_in_the_way(parts, ledger, undoing=plan.request.undoes, home=stands.home):
        return BARRED
    for part in change_set:
        systems = {stands.system_of[member.ref_id] for member in part.members}
        if len(systems) > 1 and not systems.isdisjoint(apart):
            return NOT_ACROSS
    return ""


def _pin_masters(planned: Sequence[Planned]) -> None:
    """Have the master's golden values that are not pinned yet go before the children's (R-CM-9, 10)."""
    joining = {
        plan.change_set[0].contact_id: plan
        for plan in planned
        if plan.change_set and plan.request.kind == Kind.GROUP
    }
    masters = [group_id for group_id in joining if group_id is not None]
    standing = GoldenPin.objects.filter(AnyOf("contact", masters)).values_list("contact_id", "field")
    pinned = set(standing)
    for master, chosen in origins(masters).items():
        plan = joining[master]
        pins = [(master, name, ref) for name, ref in chosen.items() if (master, name) not in pinned]
        plan.order = replace(plan.order, pins=pins)

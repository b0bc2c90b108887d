"""Requests to group, ungroup, split or undo: filed by a person, held, withdrawn; done by the night."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from contacts.models import Contact, GroupChange, GroupRequest, Mapping, RequestRef, TicketSystem
from contacts.models.any_of import AnyOf
from contacts.permissions import SystemRight, systems_with
from contacts.request_words import request_in_words
from contacts.services.decisions import Ledger
from contacts.services.group_request_decisions import bars_in_the_way
from contacts.services.group_undo import blocked_by, concerned, outlook
from contacts.services.grouping_bars import bar_in_words, closed_in_words

Kind, State = GroupRequest.Kind, GroupRequest.State

WHY_NOT = "Grouping needs a right of its own. A CRM manager or an administrator has it."
MAY_GROUP = "contacts.group_contacts"
MAY_PROCESS = "contacts.process_grouprequest"
MOST_CHILDREN = 50


class CannotRequest(Exception):
    """Says, for the person at the screen, why this is not asked of the night."""


class MayNotRequest(CannotRequest):
    """Without the right to group, or to see every ref concerned; the sentence tells nothing hidden."""

    def __init__(self) -> None:
        super().__init__(
            "With your rights this cannot be asked for. A manager who sees every system can do it."
        )


@dataclass(frozen=True)
class _Place:
    """A ref concerned: its Contact and its system."""

    ref_id: int
    group_id: int
    system_id: int
    part: int = 0


def may_group(user: User) -> bool:
    """Whether the user may ask for groups to be changed (R-CM-27); of which, each request asks."""
    return user.is_active and user.has_perm(MAY_GROUP)


def may_process(user: User) -> bool:
    """Whether the user may have requests carried out at once."""
    return may_group(user) and user.has_perm(MAY_PROCESS)


@transaction.atomic
def file_grouping(
    master: Contact, children: Sequence[Contact], *, by: User | None, now: datetime, reason: str = ""
) -> GroupRequest:
    """Ask for the children to become part of the master (R-CM-7 to 14); nothing changes before the night.

    Raises MayNotRequest; CannotRequest for nonsense, where a request waits on one of the records (R-CM-17),
    or a do-not-group rule stands between them. Of two callers at once one is refused. `by` None: the system.
    """
    numbers = [child.pk for child in children]
    _require_sense(master.pk, numbers)
    order = {group_id: part for part, group_id in enumerate([master.pk, *numbers])}
    places = _places(list(order), by=by)
    for group_id in order:
        if not any(place.group_id == group_id for place in places):
            raise CannotRequest(f"There is no GroupID {group_id} any more.")
    _require_matched({place.system_id for place in places})
    _require_no_bar([[place.ref_id for place in places]], places)
    parts = [_Place(p.ref_id, p.group_id, p.system_id, order[p.group_id]) for p in places]
    return _file(Kind.GROUP, master.pk, parts, by=by, now=now, reason=reason)


@transaction.atomic
def file_ungrouping(
    contact: Contact, *, by: User | None, now: datetime, may_regroup: bool = False, reason: str = ""
) -> GroupRequest:
    """Ask for every System Ref of the Contact to get a GroupID of its own (R-CM-19 to 23).

    Unless later nights `may_regroup` them, do-not-group rules will keep them apart (BEYOND 1). Raises as
    `file_grouping`; also where there is one ref (R-CM-21).
    """
    places = _places([contact.pk], by=by)
    if len(places) < 2:
        raise CannotRequest(f"GroupID {contact.pk} has one System Ref: there is nothing to ungroup.")
    return _file(Kind.UNGROUP, contact.pk, places, by=by, now=now, may_regroup=may_regroup, reason=reason)


@transaction.atomic
def file_split(
    contact: Contact,
    parts: Sequence[Collection[int]],
    *,
    by: User | None,
    now: datetime,
    may_regroup: bool = False,
    reason: str = "",
) -> GroupRequest:
    """Ask for some System Refs to leave the Contact: the refs of each part into one new Contact.

    Raises as `file_ungrouping`; also where no ref leaves or stays, or one is named twice or is not there.
    """
    leaving = [ref_id for part in parts for ref_id in part]
    places = _places([contact.pk], by=by)
    here = {place.ref_id for place in places}
    if not leaving or not all(parts):
        raise CannotRequest("Choose which System Refs leave.")
    if len(set(leaving)) < len(leaving):
        raise CannotRequest("A System Ref can go to one place only.")
    if not set(leaving) <= here:
        raise CannotRequest("Some of these System Refs are not of this contact any more. Look again.")
    if set(leaving) == here:
        raise CannotRequest("At least one System Ref has to stay.")
    part_of = {ref_id: number for number, part in enumerate(parts, start=1) for ref_id in part}
    found = [_Place(p.ref_id, p.group_id, p.system_id, part_of.get(p.ref_id, 0)) for p in places]
    _require_no_bar([*parts, here - set(leaving)], places)
    return _file(Kind.SPLIT, contact.pk, found, by=by, now=now, may_regroup=may_regroup, reason=reason)


@transaction.atomic
def file_undo(
    change: GroupChange, *, by: User | None, now: datetime, may_regroup: bool = False, reason: str = ""
) -> GroupRequest:
    """Ask for a change of groups to be taken back, exactly (BEYOND 2).

    Raises as `file_grouping`; also where it was taken back already, takes one back itself, or a newer change
    has to be taken back first: it is named to those who may see it, others get MayNotRequest.
    """
    change = GroupChange.objects.select_for_update(of=("self",)).get(pk=change.pk)
    places = _places(concerned(change), by=by)
    if change.undone_by_id is not None:
        raise CannotRequest(f"Change {change.pk} was undone already.")
    if GroupChange.objects.filter(undone_by=change).exists():
        raise CannotRequest(f"Change {change.pk} took another back. Group or ungroup anew instead.")
    if (newer := blocked_by(change)) is not None:
        if by is not None and not newer.is_visible_to(by):
            raise MayNotRequest
        raise CannotRequest(f"Change {newer.pk} came later on the same records: undo that first.")
    if not places:
        raise CannotRequest("None of its System Refs is here any more.")
    foretold = outlook(change)
    parts = [
        [*foretold.back.get(group_id, ()), *foretold.added.get(group_id, ())]
        for group_id in {*foretold.back, *foretold.added}
    ]
    _require_no_bar(parts, places, undoing=change)
    return _file(
        Kind.UNDO,
        places[0].group_id,
        places,
        by=by,
        now=now,
        may_regroup=may_regroup,
        reason=reason,
        undoes=change,
    )


@transaction.atomic
def withdraw_request(request: GroupRequest, *, by: User | None, now: datetime) -> GroupRequest:
    """Take an open request back before the night does it (R-CM-18). Twice changes nothing.

    Raises MayNotRequest, and CannotRequest where it was carried out already.
    """
    locked = _locked(request, by=by)
    if locked.state == State.WITHDRAWN:
        return locked
    _require_open(locked)
    locked.state, locked.settled_at, locked.settled_by = State.WITHDRAWN, now, by
    locked.save(update_fields=["state", "settled_at", "settled_by"])
    RequestRef.objects.filter(request=locked).update(is_open=False)
    return locked


@transaction.atomic
def hold_request(request: GroupRequest, *, by: User | None, now: datetime) -> GroupRequest:
    """Keep an open request back from the nights until it is let go; who first held it stays named.

    Raises as `withdraw_request`.
    """
    locked = _locked(request, by=by)
    _require_open(locked)
    if locked.state != State.HELD:
        _set_state(locked, State.HELD, held_at=now, held_by=by)
    return locked


@transaction.atomic
def release_request(request: GroupRequest, *, by: User | None, now: datetime) -> GroupRequest:
    """Let a held request go into the coming night. Raises as `withdraw_request`."""
    locked = _locked(request, by=by)
    _require_open(locked)
    _set_state(locked, State.WAITING, held_at=None, held_by=None)
    return locked


def _set_state(
    request: GroupRequest, state: GroupRequest.State, *, held_at: datetime | None, held_by: User | None
) -> None:
    request.state, request.held_at, request.held_by = state, held_at, held_by
    request.save(update_fields=["state", "held_at", "held_by"])


def require_may_request(system_ids: Collection[int], *, by: User | None) -> None:
    """Raise MayNotRequest unless the user may group and view all these systems; the system itself may."""
    if by is not None and not (may_group(by) and set(system_ids) <= systems_with(by, SystemRight.VIEW)):
        raise MayNotRequest


def _locked(request: GroupRequest, *, by: User | None) -> GroupRequest:
    locked = GroupRequest.objects.select_for_update(of=("self",)).get(pk=request.pk)
    systems = RequestRef.objects.filter(request=locked).values_list("system_ref__system", flat=True)
    require_may_request(set(systems), by=by)
    return locked


def _require_open(request: GroupRequest) -> None:
    if not request.is_open:
        raise CannotRequest(f"Request {request.pk} is {request.get_state_display()} already.")


def _require_sense(master: int, children: Sequence[int]) -> None:
    """R-CM-16."""
    if not children:
        raise CannotRequest("Add at least one contact to group with the master.")
    if master in children:
        raise CannotRequest(f"GroupID {master} is the master: it cannot be its own child.")
    if len(set(children)) < len(children):
        twice = next(number for number in children if children.count(number) > 1)
        raise CannotRequest(f"GroupID {twice} is named twice.")
    if len(children) > MOST_CHILDREN:
        raise CannotRequest(f"One request groups {MOST_CHILDREN} children at most.")


def _places(contact_ids: Sequence[int], *, by: User | None) -> list[_Place]:
    """Every ref of these Contacts, seen or not; raises MayNotRequest unless all may be viewed."""
    rows = Mapping.objects.filter(AnyOf("contact", contact_ids)).order_by("contact", "pk")
    places = [_Place(*row) for row in rows.values_list("pk", "contact_id", "system_ref__system_id")]
    require_may_request({place.system_id for place in places}, by=by)
    return places


def _require_matched(system_ids: Collection[int]) -> None:
    """The engine would part again what is of a system that is not matched across."""
    if len(system_ids) < 2:
        return
    alone = TicketSystem.objects.filter(pk__in=system_ids, is_matched_across=False).order_by("rank").first()
    if alone is not None:
        raise CannotRequest(closed_in_words(alone.code))


def _require_no_bar(
    parts: Sequence[Collection[int]], places: Sequence[_Place], *, undoing: GroupChange | None = None
) -> None:
    """A person said that two of these never belong together: that has to be lifted first."""
    home = {place.ref_id: place.group_id for place in places}
    ledger = Ledger(home)
    for decision in bars_in_the_way([list(part) for part in parts], ledger, undoing=undoing, home=home):
        raise CannotRequest(bar_in_words(decision))


def _file(
    kind: GroupRequest.Kind,
    group_id: int,
    places: Sequence[_Place],
    *,
    by: User | None,
    now: datetime,
    reason: str,
    may_regroup: bool = False,
    undoes: GroupChange | None = None,
) -> GroupRequest:
    _require_no_clash(places, by=by)
    request = GroupRequest.objects.create(
        kind=kind,
        group_id=group_id,
        reason=reason[:300],
        may_regroup=may_regroup,
        undoes=undoes,
        by=by,
        is_by_system=by is None,
        filed_at=now,
    )
    try:
        with transaction.atomic():
            RequestRef.objects.bulk_create(
                RequestRef(request=request, system_ref_id=p.ref_id, group_id=p.group_id, part=p.part)
                for p in places
            )
    except IntegrityError:  # another request on one of these refs was filed at this very moment
        _require_no_clash(places, by=by)
        raise CannotRequest("Some of these records changed just now. Look again.") from None
    return request


def _require_no_clash(places: Sequence[_Place], *, by: User | None) -> None:
    """R-CM-17; the waiting request is named to those who may see it."""
    open_refs = RequestRef.objects.filter(AnyOf("system_ref", [p.ref_id for p in places]), is_open=True)
    first = open_refs.order_by("request").values_list("request", flat=True).first()
    if first is None:
        return
    requests = GroupRequest.objects.select_related("by").prefetch_related("refs__system_ref__system")
    waiting = requests.get(pk=first)
    if by is not None and not GroupRequest.objects.visible_to(by).filter(pk=first).exists():
        raise CannotRequest("Another request waits on one of these records.")
    words = request_in_words(waiting)
    raise CannotRequest(
        f"Request {waiting.pk} ({words.by or 'the system'}: {words.sentence}) is "
        f"{waiting.get_state_display()} on one of these records. {words.way_out}"
    )

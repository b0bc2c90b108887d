"""Carries requests out: by the night, many at a time, or one at once; each exactly once."""

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from django.contrib.auth.models import User
from django.db import OperationalError, transaction

from contacts.group_plan import count_changes
from contacts.models import GroupChange, GroupRequest, RequestRef
from contacts.models.any_of import AnyOf
from contacts.services.group_request_plans import MayNotCarryOut, Planned, plan_requests
from contacts.services.group_requests import CannotRequest, MayNotRequest, may_process, require_may_request
from contacts.services.group_restore import restore_details
from contacts.services.regroup_writes import write_changes

REQUESTS_AT_ONCE = 100  # with the refs of their Contacts a transaction well under a second
State = GroupRequest.State

Progress = Callable[[int, int], None]  # requests settled so far, and of how many
logger = logging.getLogger(__name__)


def apply_requests(now: datetime, progress: Progress | None = None) -> dict[str, int]:
    """Carry out every waiting request; returns how many are done, failed, and held back by people, and how
    many Contacts were joined and split by them (group_plan.Counts).

    A transaction for each hundred: what a request does and that it is done are written together, so that it
    may be killed anywhere, or run twice at once, and each is carried out exactly once. One that cannot be
    is failed, with the reason, and the others go on.
    """
    waiting = list(
        GroupRequest.objects.filter(state=State.WAITING).order_by("pk").values_list("pk", flat=True)
    )
    told = Counter(requests_done=0, requests_failed=0, joined=0, split=0)
    for start in range(0, len(waiting), REQUESTS_AT_ONCE):
        chunk = waiting[start : start + REQUESTS_AT_ONCE]
        told.update(_apply_patiently(chunk, now=now))
        if progress:
            progress(start + len(chunk), len(waiting))
    return {**told, "requests_held": GroupRequest.objects.filter(state=State.HELD).count()}


def process_now(request: GroupRequest, *, by: User | None, now: datetime) -> GroupRequest:
    """Carry one waiting request out at once; returns it as it stands then, done or failed.

    Raises MayNotRequest without the right of its own, or to see all refs; CannotRequest where it is held or
    settled.
    """
    if by is not None and not may_process(by):
        raise MayNotRequest
    systems = RequestRef.objects.filter(request=request).values_list("system_ref__system", flat=True)
    require_may_request(set(systems), by=by)
    state = GroupRequest.objects.get(pk=request.pk).state
    if state != State.WAITING:
        raise CannotRequest(f"Request {request.pk} is {State(state).label}.")
    try:
        _apply_patiently([request.pk], now=now, by=by)
    except MayNotCarryOut as refusal:  # refs of another system came in since it was filed
        raise MayNotRequest from refusal
    return GroupRequest.objects.get(pk=request.pk)


def _apply_patiently(ids: Sequence[int], *, now: datetime, by: User | None = None) -> Counter[str]:
    """All at once; where that fails, one by one, so that one that cannot be done keeps no other back."""
    try:
        return _apply(ids, now=now, by=by)
    except (OperationalError, MayNotCarryOut):
        raise  # of the database, then the step is run again; or of who has it done at once
    except Exception as error:
        if len(ids) == 1:
            # By its kind alone: databases print the values they met in their errors.
            logger.error("Request %s could not be carried out: %s.", ids[0], type(error).__name__)
            return _fail_one(ids[0], type(error).__name__, now=now, by=by)
    told: Counter[str] = Counter()
    for pk in ids:
        told.update(_apply_patiently([pk], now=now, by=by))
    return told


@transaction.atomic
def _apply(ids: Sequence[int], *, now: datetime, by: User | None) -> Counter[str]:
    """What came of it, in numbers. Locks the requests, then, as everybody does, refs and Contacts."""
    rows = GroupRequest.objects.filter(pk__in=ids, state=State.WAITING).select_related("by", "undoes")
    requests = list(rows.order_by("pk").select_for_update(of=("self",)))
    planned = plan_requests(requests, now=now, presser=by)
    going = [plan for plan in planned if not plan.refusal]
    left = write_changes(
        [plan.change_set for plan in going],
        pairs=(),
        run=None,
        now=now,
        orders={id(plan.change_set): plan.order for plan in going},
    )
    if left:  # under the locks nothing can have moved
        raise RuntimeError("Refs moved while they were locked.")
    _take_back({p.request.pk: p.request.undoes for p in going if p.request.undoes}, now=now)
    _settle(planned, now=now, by=by)
    joined, split = count_changes(plan.change_set for plan in going)
    return Counter(
        requests_done=len(going), requests_failed=len(planned) - len(going), joined=joined, split=split
    )


def _take_back(undoing: Mapping[int, GroupChange], *, now: datetime) -> None:
    """By request, the changes that were taken back."""
    if not undoing:
        return
    restore_details(list(undoing.values()), now=now)
    made = dict(GroupChange.objects.filter(request__in=undoing).values_list("request", "pk"))
    for request_id, change in undoing.items():
        GroupChange.objects.filter(pk=change.pk).update(undone_by=made[request_id])


def _settle(planned: Sequence[Planned], *, now: datetime, by: User | None) -> None:
    done = [plan.request.pk for plan in planned if not plan.refusal]
    GroupRequest.objects.filter(AnyOf("id", done)).update(state=State.DONE, settled_at=now, settled_by=by)
    for plan in planned:
        if plan.refusal:
            GroupRequest.objects.filter(pk=plan.request.pk).update(
                state=State.FAILED, settled_at=now, settled_by=by, outcome=plan.refusal[:300]
            )
    RequestRef.objects.filter(AnyOf("request", [plan.request.pk for plan in planned])).update(is_open=False)


@transaction.atomic
def _fail_one(request_id: int, kind: str, *, now: datetime, by: User | None) -> Counter[str]:
    """An error of ours: recorded by its kind alone, for its text may hold values."""
    failed = GroupRequest.objects.filter(pk=request_id, state=State.WAITING).update(
        state=State.FAILED,
        settled_at=now,
        settled_by=by,
        outcome=f"An error kept it from being carried out ({kind}). The records stand as they were.",
    )
    RequestRef.objects.filter(request=request_id).update(is_open=False)
    return Counter(requests_failed=failed)

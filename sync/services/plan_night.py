"""Tonight's plan: asked for, made by the cluster from a rehearsal, kept in lines, and taken up again."""

import hashlib
import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import Max
from django_q.tasks import async_task

from contacts.exclusive import AlreadyRunning, exclusive, is_at_work
from contacts.models import (
    GroupDecision,
    GroupingRun,
    GroupRequest,
    HeldLine,
    ModelVersion,
    Move,
    Organisation,
    PendingRef,
    PrimaryRuleList,
    RuleSet,
    TicketSystem,
)
from contacts.next_night import next_night_at
from sync.models import NightPlan, NightRun, PlanLine
from sync.models.plan import PlanLineRef
from sync.night_effects import Effect
from sync.services.rehearse_night import CannotRehearse, Rehearsal, rehearse_night
from ticketing.models import Purchase

PLANNING = "Making tonight's plan"
PLAN_TASK = "sync.tasks.make_plan"
KEPT_PLANS = 5
# New people are the many and the simple part of a night: of these so many lines, then their number alone.
MOST_OF_A_KIND = 2_000
TOLD_IN_NUMBERS = (PlanLine.Kind.PLACE, PlanLine.Kind.GOLDEN, PlanLine.Kind.SUMS)
ROWS_AT_ONCE = 2_000
_State = NightPlan.State
_ORDER = (
    PlanLine.Kind.REQUEST,
    PlanLine.Kind.GROUP,
    PlanLine.Kind.SPLIT,
    PlanLine.Kind.REGROUP,
    PlanLine.Kind.PRIMARY,
    PlanLine.Kind.PLACE,
    PlanLine.Kind.GOLDEN,
    PlanLine.Kind.SUMS,
)

Clock = Callable[[], datetime]
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PlanState:
    """What a screen shows of plans: the last that was made, one under way, one that failed since."""

    made: NightPlan | None
    under_way: NightPlan | None
    failed: NightPlan | None
    is_outdated: bool


def request_plan(*, by: User | None, now: datetime) -> NightPlan:
    """File a plan for the cluster, or find the one that waits already; nothing runs here."""
    with transaction.atomic():
        plan, is_new = _file(by=by, now=now)
        if is_new:
            async_task(PLAN_TASK, task_name="tonight's plan")
    return plan


def _file(*, by: User | None, now: datetime) -> tuple[NightPlan, bool]:
    """The plan that waits, and whether it is new; of two callers at once one files it."""
    try:
        with transaction.atomic():
            return NightPlan.objects.get_or_create(state=_State.WAITING, defaults={"by": by, "filed_at": now})
    except IntegrityError:  # filed and taken by the cluster between our two looks
        return NightPlan.objects.latest("pk"), False


def make_plans(*, clock: Clock, is_patient: bool = False) -> int:
    """Make the plan that waits, and any that came to wait meanwhile; returns how many were made.

    A plan that a dead process left is given up. While another process is at one this does nothing: that one
    takes up what waits.
    """
    made = 0
    try:
        with exclusive(PLANNING):
            NightPlan.objects.filter(state=_State.RUNNING).update(
                state=_State.FAILED, error="It was cut off. Make it anew."
            )
            while plan := NightPlan.objects.filter(state=_State.WAITING).first():
                _make(plan, clock=clock, is_patient=is_patient)
                made += 1
    except AlreadyRunning:
        return made
    return made


def take_up_plans(*, clock: Clock) -> int:
    """Go on with plans that wait for a task that is lost, or that a dead process left; by schedule."""
    under_way = NightPlan.objects.filter(state__in=(_State.WAITING, _State.RUNNING)).exists()
    return make_plans(clock=clock) if under_way and not is_at_work(PLANNING) else 0


def plan_when_changed(*, clock: Clock) -> bool:
    """Make a plan where something changed since the last, or its night is over; by schedule."""
    now = clock()
    if not _is_outdated(_last_made(), now=now):
        return False
    _file(by=None, now=now)
    return make_plans(clock=clock) > 0


def plan_now(*, by: User | None, clock: Clock) -> NightPlan:
    """Make a plan in this process, and return it. Raises AlreadyRunning where another is being made, and
    CannotRehearse with the reason where there can be none.
    """
    if is_at_work(PLANNING):
        raise AlreadyRunning(PLANNING)
    plan, _is_new = _file(by=by, now=clock())
    make_plans(clock=clock, is_patient=True)
    plan.refresh_from_db()
    if plan.state == _State.FAILED:
        raise CannotRehearse(plan.error)
    return plan


def plan_state(*, now: datetime) -> PlanState:
    """Where plans stand, for a screen; a few queries."""
    made = _last_made()
    under_way = NightPlan.objects.filter(state__in=(_State.WAITING, _State.RUNNING)).order_by("pk").last()
    failed = NightPlan.objects.filter(state=_State.FAILED).order_by("pk").last()
    if failed and ((made and made.pk > failed.pk) or (under_way and under_way.pk > failed.pk)):
        failed = None
    return PlanState(made, under_way, failed, is_outdated=_is_outdated(made, now=now))


def _last_made() -> NightPlan | None:
    return NightPlan.objects.filter(state=_State.DONE).order_by("pk").last()


def _is_outdated(plan: NightPlan | None, *, now: datetime) -> bool:
    if plan is None or plan.night_at is None or plan.night_at <= now:
        return True
    return (
        plan.night_at != next_night_at(Organisation.load(), now=now) or plan.counts.get("basis") != _basis()
    )


def _make(plan: NightPlan, *, clock: Clock, is_patient: bool) -> None:
    plan.state, plan.made_at = _State.RUNNING, clock()
    plan.night_at = next_night_at(Organisation.load(), now=plan.made_at)
    plan.save(update_fields=["state", "made_at", "night_at"])
    began = time.monotonic()
    try:
        basis = _basis()
        rehearsal = rehearse_night(
            night_at=plan.night_at, tell=lambda what: _tell(plan, what), is_patient=is_patient
        )
    except (CannotRehearse, AlreadyRunning) as refusal:
        plan.state, plan.error = _State.FAILED, str(refusal)
    except Exception as error:  # the task's door: whatever it meets is recorded, and nothing of it stays
        # By its kind alone: databases print the values they met in their errors.
        logger.error("Tonight's plan could not be made: %s.", type(error).__name__)
        plan.state, plan.error = _State.FAILED, f"Something went wrong on our side ({type(error).__name__})."
    else:
        _keep(plan, rehearsal, basis=basis)
    plan.seconds = round(time.monotonic() - began, 3)
    plan.save(update_fields=["state", "error", "seconds", "counts"])


def _tell(plan: NightPlan, what: str) -> None:
    NightPlan.objects.filter(pk=plan.pk).update(counts={"at": what})


@transaction.atomic
def _keep(plan: NightPlan, rehearsal: Rehearsal, *, basis: str) -> None:
    told, untold = _told([*rehearsal.lines, *rehearsal.held])
    for start in range(0, len(told), ROWS_AT_ONCE):
        _keep_lines(plan, told[start : start + ROWS_AT_ONCE], start=start)
    plan.state = _State.DONE
    plan.counts = {
        "basis": basis,
        "lines": dict(Counter(effect.kind.value for effect in told)),
        "untold": untold,
        "brake": dict(rehearsal.brake),
        "numbers": dict(rehearsal.numbers),
        "why_numbers": rehearsal.why_numbers,
    }
    plan.save(update_fields=["state", "counts"])
    kept = NightPlan.objects.filter(state=_State.DONE).order_by("-pk").values_list("pk", flat=True)
    if len(newest := list(kept[:KEPT_PLANS])) == KEPT_PLANS:
        NightPlan.objects.filter(pk__lt=newest[-1]).exclude(state=_State.WAITING).delete()


def _told(effects: Iterable[Effect]) -> tuple[list[Effect], dict[str, int]]:
    """In the order of a plan: what gets a line, and by kind how many are told as a number alone."""
    seen: Counter[str] = Counter()
    told = []
    for effect in sorted(effects, key=lambda effect: _ORDER.index(effect.kind)):
        seen[effect.kind.value] += 1
        is_simple = effect.kind in TOLD_IN_NUMBERS and (effect.makes_contact_alone or not effect.before)
        if not is_simple or seen[effect.kind.value] <= MOST_OF_A_KIND:
            told.append(effect)
    lines = Counter(effect.kind.value for effect in told)
    return told, {kind: count - lines[kind] for kind, count in seen.items() if count > lines[kind]}


def _keep_lines(plan: NightPlan, effects: list[Effect], *, start: int) -> None:
    lines = PlanLine.objects.bulk_create(
        PlanLine(
            plan=plan,
            position=position,
            kind=effect.kind,
            group_ids=list(effect.group_ids),
            before=dict(effect.before),
            after=dict(effect.after),
            reason=effect.reason[:300],
            request_id=effect.request_id,
        )
        for position, effect in enumerate(effects, start=start)
    )
    PlanLineRef.objects.bulk_create(
        [
            PlanLineRef(line=line, system_ref_id=ref_id)
            for line, effect in zip(lines, effects, strict=True)
            for ref_id in sorted(effect.ref_ids)
        ],
        batch_size=ROWS_AT_ONCE,
    )


def _basis() -> str:
    """A print of what a plan hangs on: another one means that it may be out of date."""
    models = (Move, PendingRef, GroupRequest, HeldLine, ModelVersion, PrimaryRuleList, RuleSet, Purchase)
    highest: list[Any] = [model.objects.aggregate(highest=Max("pk"))["highest"] for model in models]
    held = GroupingRun.objects.exclude(held={}).order_by("-pk").values_list("pk", "accepted_at").first()
    organisation = Organisation.load()
    hangs_on = [
        *highest,
        PendingRef.objects.count(),
        HeldLine.objects.count(),
        sorted(GroupRequest.objects.open().values_list("pk", "state")),
        sorted(GroupDecision.objects.pending().values_list("pk", flat=True)),
        NightRun.objects.aggregate(highest=Max("pk"))["highest"],
        [str(value) for value in held or ()],
        list(TicketSystem.objects.order_by("pk").values_list("pk", "rank", "is_matched_across")),
        [organisation.brake_share, organisation.brake_floor, organisation.brake_size],
    ]
    return hashlib.sha256(json.dumps(hangs_on, default=str).encode()).hexdigest()[:16]


def age_of(plan: NightPlan, *, now: datetime) -> timedelta:
    """How old the data are that it goes by."""
    return now - (plan.made_at or plan.filed_at)

"""Reads off what a step of the night did, from what it wrote: for the rehearsal, and after the night."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from django.db import transaction
from django.db.models import Max

from contacts.models import Contact, GroupChange, GroupRequest, Link, Mapping, Move, SystemRef
from contacts.models.person_details import DETAIL_FIELDS
from contacts.services.golden import golden_rows, refresh_golden
from contacts.services.matching_rules import newest_version
from sync.models import PlanLine
from sync.night_effects import BY_RULE, Effect
from ticketing.services.purchases import refresh_sums

Kind = PlanLine.Kind
AT_ONCE = 2_000
_SUMS = {
    "spent_total": "spent",
    "last_purchased_at": "last purchase",
    "holds_season_ticket": "season ticket",
}
GONE = "The account that led is gone at its source."


@dataclass(frozen=True)
class Marks:
    """How far everything was before a step, so that what it wrote is told from what stood."""

    move: int
    change: int
    open_requests: frozenset[int]

    @classmethod
    def set(cls) -> "Marks":
        """Three queries, two of them of one row."""
        return cls(
            move=_highest(Move),
            change=_highest(GroupChange),
            open_requests=frozenset(GroupRequest.objects.open().values_list("pk", flat=True)),
        )


def known_group_ids() -> int:
    """The highest GroupID that anybody ever had; what a night makes is beyond it. What an undo brings back
    may be beyond every Contact that stands, and is not new.
    """
    moved = Move.objects.aggregate(highest=Max("to_group"))["highest"]
    return max(_highest(Contact), moved or 0)


def grouping_effects(since: Marks) -> list[Effect]:
    """What requests or the grouping did: circles that changed, refs placed, requests that failed, leads that
    went on from an account that is gone.
    """
    changes = list(GroupChange.objects.filter(pk__gt=since.change).order_by("pk"))
    told = {ref_id for change in changes for refs in change.after.values() for ref_id in refs}
    moves = Move.objects.filter(pk__gt=since.move).exclude(cause=Move.Cause.PRIMARY_BY_RULE).order_by("pk")
    placed: dict[int, list[int]] = {}
    for ref_id, to in moves.filter(from_group=None).values_list("system_ref_id", "to_group"):
        if ref_id not in told:
            placed.setdefault(to, []).append(ref_id)
    return [
        *_changed(changes),
        *_placed(placed),
        *_led(moves.filter(cause=Move.Cause.PRIMARY_GONE), GONE),
        *_failed(since.open_requests),
    ]


def primary_effects(since: Marks) -> list[Effect]:
    """What the primary rules did."""
    moves = Move.objects.filter(pk__gt=since.move, cause=Move.Cause.PRIMARY_BY_RULE).order_by("pk")
    return list(_led(moves, BY_RULE))


def repair_golden(stale: Sequence[int], *, now: datetime) -> list[Effect]:
    """Repair the golden values of these Contacts, those that differ still, and tell their fields."""
    effects = []
    for ids in _chunks(stale):
        with transaction.atomic():
            effects += golden_effects(ids)
            refresh_golden(ids, now=now)
    return effects


def golden_effects(contact_ids: Collection[int]) -> list[Effect]:
    """What a repair of these Contacts' golden values would change; writes nothing. Three queries."""
    stored = Contact.objects.filter(pk__in=contact_ids).values_list("pk", *DETAIL_FIELDS)
    stands = {pk: values for pk, *values in stored}
    wrong = {
        contact_id: [
            name for name, is_, should in zip(DETAIL_FIELDS, stands[contact_id], values, strict=True)
            if is_ != should
        ]
        for contact_id, values in golden_rows(list(contact_ids))
        if contact_id in stands
    }  # fmt: skip
    wrong = {contact_id: names for contact_id, names in wrong.items() if names}
    members = _members(wrong)
    return [
        Effect(Kind.GOLDEN, {}, {"fields": names}, frozenset(members[contact_id]), (contact_id,))
        for contact_id, names in sorted(wrong.items())
    ]


def repair_sums(ref_ids: Sequence[int], *, now: datetime) -> list[Effect]:
    """Recount what these refs keep of their purchases, and tell which sums were wrong, but not the sums."""
    effects = []
    for ids in _chunks(ref_ids):
        with transaction.atomic():
            before = _sums(ids)
            refresh_sums(ids, now=now)
            after = _sums(ids)
        contact_of = dict(
            Mapping.objects.filter(system_ref__in=ids).values_list("system_ref_id", "contact_id")
        )
        for ref_id in sorted(before):
            wrong = [
                called
                for called, was, is_ in zip(_SUMS.values(), before[ref_id], after[ref_id], strict=True)
                if was != is_
            ]
            groups = (contact_of[ref_id],) if ref_id in contact_of else ()
            if wrong:
                told = {"account": ref_id, "fields": wrong}
                effects.append(Effect(Kind.SUMS, {}, told, frozenset([ref_id]), groups))
    return effects


def _changed(changes: Sequence[GroupChange]) -> Iterable[Effect]:
    rules = _rules_behind(changes)
    for change in changes:
        before = {pk: sorted(row[0] for row in held["refs"]) for pk, held in change.before.items()}
        refs = {ref for refs in (*before.values(), *change.after.values()) for ref in refs}
        kind = Kind.REGROUP if change.is_join and change.is_split else Kind.SPLIT
        yield Effect(
            kind=kind if change.is_split else Kind.GROUP,
            before=before,
            after={pk: sorted(refs) for pk, refs in change.after.items()},
            ref_ids=frozenset(refs),
            group_ids=tuple(sorted({int(pk) for pk in (*before, *change.after)})),
            reason="" if change.request_id else rules[change.pk],
            request_id=change.request_id,
        )


def _rules_behind(changes: Sequence[GroupChange]) -> dict[int, str]:
    """Why the engine changed each: the rules that join what was apart, or that nothing joins it any more."""
    by_engine = [change for change in changes if change.request_id is None]
    if not by_engine:
        return {}
    titles = {rule["name"]: rule["title"] for rule in newest_version().rules}
    stood, change_of = {}, {}
    for change in by_engine:
        for refs in change.after.values():
            change_of.update(dict.fromkeys(refs, change.pk))
        for pk, held in change.before.items():
            stood.update({row[0]: pk for row in held["refs"]})
    decided = set(
        Move.objects.filter(change__in=[c.pk for c in by_engine], cause=Move.Cause.DECISION).values_list(
            "change_id", flat=True
        )
    )
    found: dict[int, set[str]] = {}
    for ids in _chunks(sorted(change_of)):
        links = Link.objects.filter(left__in=ids, decision=Link.Decision.JOINED)
        for left, right, rule in links.values_list("left_id", "right_id", "rule"):
            if change_of.get(right) == change_of[left] and (
                left not in stood or stood.get(right) != stood[left]
            ):
                found.setdefault(change_of[left], set()).add(
                    f"the rule “{titles.get(rule, rule)}”" if rule else "the score"
                )
    return {
        change.pk: _engine_says(change, sorted(found.get(change.pk, ())), is_decided=change.pk in decided)
        for change in by_engine
    }


def _engine_says(change: GroupChange, rules: Sequence[str], *, is_decided: bool) -> str:
    if is_decided:
        return "By a person’s decision about two of them."
    if change.is_join and rules:
        return f"By {' and '.join(rules[:2])}{' and others' if len(rules) > 2 else ''}."
    return "By the engine." if change.is_join else "Nothing holds them together any more."


def _placed(placed: dict[int, list[int]]) -> Iterable[Effect]:
    members = _members(placed)
    for contact_id, new in sorted(placed.items()):
        after = members[contact_id]
        before = sorted(set(after) - set(new))
        yield Effect(
            kind=Kind.PLACE,
            before={str(contact_id): before} if before else {},
            after={str(contact_id): after},
            ref_ids=frozenset(after),
            group_ids=(contact_id,),
        )


def _led(moves: Any, reason: str) -> Iterable[Effect]:
    """Pairs of moves: first the ref that ceased to lead, then the one that leads."""
    ceased: dict[int, int] = {}
    pairs: list[tuple[int, int, int]] = []
    for ref_id, contact_id, was_primary in moves.values_list("system_ref_id", "to_group", "was_primary"):
        if was_primary:
            ceased[contact_id] = ref_id
        elif contact_id in ceased:
            pairs.append((contact_id, ceased.pop(contact_id), ref_id))
    members = _members({contact_id for contact_id, *_ in pairs})
    for contact_id, was, leads in sorted(pairs):
        refs = frozenset({was, leads, *members.get(contact_id, ())})
        yield Effect(Kind.PRIMARY, {"primary": was}, {"primary": leads}, refs, (contact_id,), reason)


def _failed(open_before: Collection[int]) -> Iterable[Effect]:
    failed = GroupRequest.objects.filter(pk__in=open_before, state=GroupRequest.State.FAILED).order_by("pk")
    for request in failed.prefetch_related("refs"):
        refs = frozenset(row.system_ref_id for row in request.refs.all())
        yield Effect(Kind.REQUEST, {}, {}, refs, (request.group_id,), request.outcome, request.pk)


def _members(contact_ids: Collection[int]) -> dict[int, list[int]]:
    """The refs of each of these Contacts, in the order of their ids."""
    found: dict[int, list[int]] = {}
    for ids in _chunks(sorted(contact_ids)):
        rows = Mapping.objects.filter(contact__in=ids).order_by("system_ref_id")
        for contact_id, ref_id in rows.values_list("contact_id", "system_ref_id"):
            found.setdefault(contact_id, []).append(ref_id)
    return found


def _sums(ref_ids: Sequence[int]) -> dict[int, tuple[Any, ...]]:
    rows = SystemRef.objects.filter(pk__in=ref_ids).values_list("pk", *_SUMS)
    return {pk: tuple(sums) for pk, *sums in rows}


def _chunks(ids: Sequence[int]) -> Iterable[list[int]]:
    left = iter(ids)
    while chunk := list(islice(left, AT_ONCE)):
        yield chunk


def _highest(model: Any) -> int:
    return model.objects.aggregate(highest=Max("pk"))["highest"] or 0

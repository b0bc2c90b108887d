"""The facts of a case: what happened to a Contact's refs, in ids, codes, moments and weights alone."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef, Q

from contacts.models import (
    Contact,
    GroupChange,
    GroupDecision,
    GroupRequest,
    Link,
    Move,
    RequestRef,
    SystemRef,
)
from contacts.models import Mapping as Placement
from contacts.services.came_back import CameBack, came_back
from contacts.services.matching_rules import rules_of_links

CHANGES_KEPT = 10
MOVES_KEPT = 60
LINKS_KEPT = 60


@dataclass
class Facts:
    """What is kept with a case, and every ref named in it: whoever reads it must see them all."""

    told: dict[str, Any]
    ref_ids: set[int] = field(default_factory=set)


def gather_facts(contact: Contact, *, by: User, request: GroupRequest | None, now: datetime) -> Facts:
    """What is known of the contact and of what was done to it, as far as `by` may see; some twenty queries.

    A request or a change names GroupIDs: every ref of it counts as told, whether it stands here or not.
    No value of a person and no word that somebody typed: those are read where the facts are shown.
    """
    placed = list(
        Placement.objects.filter(contact=contact, system_ref__in=SystemRef.objects.visible_to(by))
        .select_related("system_ref__system")
        .order_by("pk")
    )
    here = [placement.system_ref_id for placement in placed]
    changes, links, decisions = _changes(contact, here, by=by), _links(here, by=by), _decisions(here, by=by)
    requests, back = _requests(contact, by=by, also=request), came_back(contact, user=by)
    if back is not None and not _all_stand(back.told_ref_ids):
        back = None
    told: dict[str, Any] = {
        "gathered_at": _text(now),
        "group_id": contact.pk,
        "refs": [
            {"ref": one.system_ref_id, "system": one.system_ref.system.code, "since": _text(one.since)}
            for one in placed
        ],
        "came_back": _came_back(back),
        "changes": changes,
        "requests": requests,
        "moves": _moves(here, [change["change"] for change in changes], by=by),
        "decisions": decisions,
        "links": links,
        "rules": rules_of_links().number,
    }
    facts = Facts(told, set(here))
    for change in changes:
        for side in ("before", "after"):
            facts.ref_ids.update(ref for refs in change[side].values() for ref in refs)
    for pair in (*links, *decisions):
        facts.ref_ids |= {pair["left"], pair["right"]}
    asked = {one["request"] for one in requests}
    if back is not None:
        asked.add(back.request.pk)
        facts.ref_ids |= back.told_ref_ids
    of_requests = RequestRef.objects.filter(request__in=asked)
    facts.ref_ids.update(of_requests.values_list("system_ref_id", flat=True))
    return facts


def _all_stand(ref_ids: Collection[int]) -> bool:
    """Of a ref that was removed no case could say any more who may see it."""
    return SystemRef.objects.filter(pk__in=ref_ids).count() == len(ref_ids)


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None


def _came_back(found: CameBack | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "request": found.request.pk,
        "parted_at": _text(found.request.settled_at),
        "group_ids": list(found.group_ids),
        "refs": found.ref_ids,
        "change": found.joined.pk,
        "joined_at": _text(found.joined.at),
        "run": found.joined.run_id,
        "rule": found.link.rule if found.link else None,
    }


def _changes(contact: Contact, here: Collection[int], *, by: User) -> list[dict[str, Any]]:
    found = changes_concerning(contact, here).visible_to(by).select_related("run", "request", "undone_by")
    return [
        {
            "change": change.pk,
            "at": _text(change.at),
            "is_join": change.is_join,
            "is_split": change.is_split,
            "run": change.run_id,
            "request": change.request_id,
            "by": change.by_id,
            "before": {group: [ref[0] for ref in held["refs"]] for group, held in change.before.items()},
            "after": change.after,
            "undone_at": _text(change.undone_by.at) if change.undone_by else None,
        }
        for change in found.order_by("-at", "-pk")[:CHANGES_KEPT]
        if _all_stand(change.ref_ids)
    ]


def changes_concerning(contact: Contact, ref_ids: Collection[int]) -> Any:
    """Changes in which a ref came to this GroupID or left it, or one of these refs moved; of any reader."""
    moves = Move.objects.filter(change=OuterRef("pk")).filter(
        Q(system_ref__in=list(ref_ids)) | Q(from_group=contact.pk) | Q(to_group=contact.pk)
    )
    return GroupChange.objects.filter(Exists(moves))


def _requests(contact: Contact, *, by: User, also: GroupRequest | None) -> list[dict[str, Any]]:
    requests = GroupRequest.objects.visible_to(by).concerning(contact).order_by("-pk")[:CHANGES_KEPT]
    found = {request.pk: request for request in requests}
    if also is not None:
        found.setdefault(also.pk, also)
    return [
        {
            "request": request.pk,
            "kind": request.kind,
            "state": request.state,
            "group_id": request.group_id,
            "may_regroup": request.may_regroup,
            "by": request.by_id,
            "filed_at": _text(request.filed_at),
            "settled_at": _text(request.settled_at),
        }
        for request in found.values()
    ]


def _moves(here: Collection[int], told: Collection[int], *, by: User) -> list[dict[str, Any]]:
    # A move tells of the group that it left: only those of changes that are told in whole.
    moves = Move.objects.visible_to(by).filter(system_ref__in=here, change__in=told)
    return [
        {
            "ref": move.system_ref_id,
            "from": move.from_group,
            "to": move.to_group,
            "cause": move.cause,
            "run": move.run_id,
            "change": move.change_id,
            "at": _text(move.at),
        }
        for move in moves.order_by("-at", "-pk")[:MOVES_KEPT]
    ]


def _decisions(here: Collection[int], *, by: User) -> list[dict[str, Any]]:
    """Standing and lifted, with at least one end here."""
    pairs = GroupDecision.objects.visible_to(by).filter(Q(left__in=here) | Q(right__in=here))
    return [
        {
            "decision": one.pk,
            "kind": one.kind,
            "left": one.left_id,
            "right": one.right_id,
            "by": one.author_id,
            "since": _text(one.since),
            "lifted_at": _text(one.until),
            "lifted_by": one.lifted_by_id,
        }
        for one in pairs.order_by("-since", "-pk")[:LINKS_KEPT]
    ]


def _links(here: Collection[int], *, by: User) -> list[dict[str, Any]]:
    links = Link.objects.visible_to(by).filter(left__in=here, right__in=here)
    return [
        {
            "left": link.left_id,
            "right": link.right_id,
            "decision": link.decision,
            "rule": link.rule,
            "guard": link.guard,
            "weight": round(link.weight, 2),
            "household": round(link.household, 2),
            "model": link.model_version.number,
        }
        for link in links.select_related("model_version").order_by("-weight", "pk")[:LINKS_KEPT]
    ]

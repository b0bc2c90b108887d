"""History: what changed on the visible System Refs, and how they moved between GroupIDs."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from contacts.contact_page.parts import Shown, declared
from contacts.models import FieldChange, GoneRef, Move, SystemRef
from contacts.models.history import AT_SOURCE
from contacts.models.person_details import DETAIL_FIELDS, name_of

LINES = 60
# Gives the address where a change can be reverted; blank where it cannot.
WayBack = Callable[[Shown, FieldChange], str]
# Moves that move nothing: which ref leads, and since when it is a person's choice.
_CHOICES = (
    Move.Cause.PRIMARY_BY_HAND,
    Move.Cause.PRIMARY_LEFT,
    Move.Cause.PRIMARY_BY_RULE,
    Move.Cause.PRIMARY_GONE,
)
# How a ref stands at its source, in words.
_AT_SOURCE = {
    "standing": "there",
    GoneRef.Reason.MISSING: "gone",
    GoneRef.Reason.MERGED: "merged into another account",
    GoneRef.Reason.ERASED: "erased",
}


@dataclass(frozen=True)
class HistoryLine:
    """One thing that happened to one ref; `by` names the person or the way in.

    `way_back`: where it can be reverted; an app above says so by a function in its WAYS_BACK.
    """

    at: datetime
    ref: SystemRef
    what: str
    before: str
    after: str
    by: str
    way_back: str = ""


def history(shown: Shown) -> Mapping[str, Any]:
    """A page of lines, newest first, and whether there are older ones."""
    upto = shown.page() * LINES
    changes = (
        FieldChange.objects.visible_to(shown.user)
        .filter(system_ref__in=shown.refs)
        .select_related("actor")
        .order_by("-at", "-pk")[: upto + 1]
    )
    ways_back = declared("WAYS_BACK")
    lines = [_changed(change, shown, ways_back) for change in changes] + [
        _moved(m, shown) for m in visible_moves(shown)
    ]
    lines.sort(key=lambda line: line.at, reverse=True)
    return {
        "lines": lines[upto - LINES : upto],
        "newer": shown.page() - 1,
        "older": shown.page() + 1 if len(lines) > upto else 0,
    }


def visible_moves(shown: Shown) -> list[Move]:
    """Moves of the visible refs that tell of nothing hidden.

    Someone who does not see every system is told of a joining or splitting only where another ref that they
    may see was in that group too; else the move itself would say that hidden records match (R-MDB-34). And
    not that a primary is gone: it was one over all refs, and theirs leads by another reckoning.
    """
    moves = list(
        Move.objects.visible_to(shown.user)
        .filter(system_ref__in=shown.refs)
        .select_related("by")
        .order_by("-at", "-pk")
    )
    if shown.sees_every_system:
        return moves
    moves = _explained_choices(moves)
    groups = {group for move in moves for group in (move.from_group, move.to_group) if group}
    seen: dict[int, set[int]] = {}
    known = Move.objects.visible_to(shown.user).filter(to_group__in=groups)
    for group, ref in known.values_list("to_group", "system_ref"):
        seen.setdefault(group, set()).add(ref)
    return [move for move in moves if _is_explained(move, seen)]


def _explained_choices(moves: list[Move]) -> list[Move]:
    """Without the choices of a primary that another ref would have to explain, which the user may not see."""
    moves = [m for m in moves if m.cause != Move.Cause.PRIMARY_GONE]
    sides = Counter((m.to_group, m.at, m.cause) for m in moves if m.cause in _CHOICES)
    return [m for m in moves if m.cause not in _CHOICES or sides[m.to_group, m.at, m.cause] > 1]


def _is_explained(move: Move, seen: Mapping[int, set[int]]) -> bool:
    if move.from_group is None or move.cause in _CHOICES:
        return True
    kept = move.to_group if move.cause != Move.Cause.SPLIT else move.from_group
    return bool(seen.get(kept, set()) - {move.system_ref_id})


def _changed(change: FieldChange, shown: Shown, ways_back: Sequence[WayBack]) -> HistoryLine:
    by = change.get_origin_display()
    if change.actor:
        by = f"{change.actor.get_full_name() or change.actor.username}, {by}"
    what, before, after = in_words(change)
    ref = shown.refs[change.system_ref_id]
    way_back = next((address for way in ways_back if (address := way(shown, change))), "")
    return HistoryLine(change.at, ref, what, before, after, by, way_back)


def in_words(change: FieldChange) -> tuple[str, str, str]:
    """What changed, from what, to what."""
    if change.field == AT_SOURCE:
        return ("at its source", *(_AT_SOURCE.get(how, how) for how in (change.before, change.after)))
    what = name_of(change.field) if change.field in DETAIL_FIELDS else change.field or "came in"
    return what, change.before, change.after


def _moved(move: Move, shown: Shown) -> HistoryLine:
    if move.cause in _CHOICES:
        return HistoryLine(
            at=move.at,
            ref=shown.refs[move.system_ref_id],
            what=move.get_cause_display(),
            before="primary" if move.was_primary else "",
            after="primary" if move.is_primary else "",
            by=(move.by.get_full_name() or move.by.username) if move.by else "",
        )
    return HistoryLine(
        at=move.at,
        ref=shown.refs[move.system_ref_id],
        what=move.get_cause_display(),
        before=f"GroupID {move.from_group}" if move.from_group else "",
        after=f"GroupID {move.to_group}{', primary' if move.is_primary and shown.sees_every_system else ''}",
        by=(move.by.get_full_name() or move.by.username) if move.by else "the night" if move.run_id else "",
    )

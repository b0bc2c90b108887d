"""Why together: the links between the visible System Refs of a contact, and what each rests on.

Only what joins two visible refs is read. Where the visible refs hang together through hidden ones alone,
there is no explanation, and nothing says that there would be one (R-MDB-33, 34; BEYOND 6).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from contacts.contact_page import drawing
from contacts.contact_page.parting_entries import split_address
from contacts.contact_page.parts import Shown
from contacts.contact_page.why_links import Explained, Joint, explain_joint, in_words
from contacts.grouping import explain
from contacts.grouping.records import LINK_SCHEMA
from contacts.models import GroupDecision, Link, SystemRef

Pair = tuple[int, int]  # ref ids, the lower first

MOST_DOTS = 48
MOST_DOUBTS = 30
MOST_EXPLAINED = 12


def why_together(shown: Shown) -> Mapping[str, Any]:
    """What partials/why.html shows."""
    joints = joined(shown)
    parts = drawing.parts(list(shown.refs), list(joints))
    held = {ref for part in parts if len(part) > 1 for ref in part}
    # Someone who sees everything is shown a ref without a link as well: it is a fact, and hides nobody.
    drawn = [ref for ref in shown.refs if ref in held or (shown.sees_every_system and len(shown.refs) > 1)]
    strengths = {pair: joint.strength for pair, joint in joints.items()}
    tree = drawing.spanning(strengths)
    weakest = _weakest(joints)
    asked = _asked(shown, joints)
    shown_links = asked["path"] or sorted(tree, key=lambda pair: strengths[pair])
    return {
        "drawing": _drawing(shown, drawn[:MOST_DOTS], joints, weakest) if joints else None,
        "weakest": weakest if len(held) > 2 else None,
        "left_out": max(len(drawn) - MOST_DOTS, 0),
        "links": [_explained(shown, joints, pair, weakest) for pair in shown_links[:MOST_EXPLAINED]],
        "more": max(len(shown_links) - MOST_EXPLAINED, 0),
        "choices": [shown.refs[ref] for ref in drawn] if joints and len(held) > 2 else [],
        "asked": asked,
        "doubts": _doubts(shown, parts),
        "refs": len(shown.refs),
        "split_address": split_address(shown),
    }


def why_in_brief(shown: Shown) -> Mapping[str, Any]:
    """The drawing's facts in words, for beside the accounts."""
    joints = joined(shown)
    weakest = _weakest(joints)
    tree = drawing.spanning({pair: joint.strength for pair, joint in joints.items()})
    chosen = [weakest] if weakest else []
    chosen += [pair for pair in reversed(tree) if pair not in chosen]
    return {
        "links": [_explained(shown, joints, pair, weakest) for pair in chosen[:4]],
        "more": max(len(chosen) - 4, 0),
        "refs": len(shown.refs),
    }


def joined(shown: Shown) -> dict[Pair, Joint]:
    """What joins the visible refs, by pair: the engine's links and people's must-decisions."""
    refs = list(shown.refs)
    if len(refs) < 2:
        return {}
    links = Link.objects.filter(left__in=refs, right__in=refs, decision=Link.Decision.JOINED)
    decisions = GroupDecision.objects.standing().filter(
        left__in=refs, right__in=refs, kind=GroupDecision.Kind.MUST
    )
    decided = {(d.left_id, d.right_id): d for d in decisions.select_related("author")}
    found = {
        (link.left_id, link.right_id): Joint(link, decided.pop((link.left_id, link.right_id), None))
        for link in links.select_related("model_version")
    }
    return found | {pair: Joint(decision=decision) for pair, decision in decided.items()}


def _weakest(joints: Mapping[Pair, Joint]) -> Pair | None:
    """The pair whose loss would split the visible refs, the weakest of such; a single pair is one."""
    if len(joints) < 2:
        return next(iter(joints), None)
    weakest = explain.weakest_link(_table(joints))
    return (weakest.left_id, weakest.right_id) if weakest else None


def _table(joints: Mapping[Pair, Joint]) -> pa.Table:
    """As the engine's explanations want them, a decision outweighing any score."""
    rows = [
        {
            "left_id": left,
            "right_id": right,
            "decision": str(Link.Decision.JOINED),
            "rule": "",
            "guard": "",
            "weight": joint.strength,
            "household": 0.0,
            "evidence": "",
        }
        for (left, right), joint in joints.items()
    ]
    return pa.Table.from_pylist(rows, schema=LINK_SCHEMA)


def _asked(shown: Shown, joints: Mapping[Pair, Joint]) -> dict[str, Any]:
    """The two refs chosen in the address and the path between them over visible links."""
    start, end = _ref_asked(shown, "from"), _ref_asked(shown, "to")
    path: list[Pair] = []
    if start and end and start != end:
        steps = explain.path(_table(joints), start.pk, end.pk)
        path = [(int(str(step["left_id"])), int(str(step["right_id"]))) for step in steps]
    return {"start": start, "end": end, "path": path, "steps": _steps(shown, start, path)}


def _ref_asked(shown: Shown, name: str) -> SystemRef | None:
    value = shown.asked.get(name, "")
    return shown.refs.get(int(value)) if value.isdecimal() and len(value) < 19 else None


def _steps(shown: Shown, start: SystemRef | None, path: Sequence[Pair]) -> list[SystemRef]:
    """The refs along the path, the chosen one first."""
    if not path or start is None:
        return []
    here, refs = start.pk, [start]
    for left, right in path:
        here = right if here == left else left
        refs.append(shown.refs[here])
    return refs


def _explained(shown: Shown, joints: Mapping[Pair, Joint], pair: Pair, weakest: Pair | None) -> Explained:
    left, right = (shown.refs[ref] for ref in pair)
    return explain_joint(joints[pair], left, right, rules=shown.rules, is_weakest=pair == weakest)


def _drawing(
    shown: Shown,
    drawn: Sequence[int],
    joints: Mapping[Pair, Joint],
    weakest: Pair | None,
) -> dict[str, Any]:
    """Dots and lines with their places, for partials/why_drawing.html."""
    refs = [shown.refs[ref] for ref in drawn]
    places = dict(zip(drawn, drawing.dots([str(ref) for ref in refs]), strict=True))
    lines = [
        {
            "a": places[left],
            "b": places[right],
            "left": shown.refs[left],
            "right": shown.refs[right],
            "label": drawing.label_between(places[left], places[right]),
            "thickness": 6 if joint.is_decided else drawing.thickness(joint.weight),
            "is_decided": joint.is_decided,
            "is_weakest": (left, right) == weakest,
            "said": "a person" if joint.is_decided else f"{joint.weight:.1f}",
        }
        for (left, right), joint in joints.items()
        if left in places and right in places
    ]
    return {
        "width": drawing.WIDTH,
        "height": drawing.height(len(refs)),
        "dots": [
            {"ref": ref, "place": places[ref.pk], "is_primary": ref.pk == shown.leader.system_ref_id}
            for ref in refs
        ],
        "lines": sorted(lines, key=lambda line: line["is_weakest"]),
        "weights_fit": len(lines) <= 12,
    }


def _doubts(shown: Shown, parts: Sequence[set[int]]) -> list[dict[str, Any]]:
    """Pairs with a ref of this contact that were compared and not joined, strongest first, in words.

    Of two refs of this very contact only where visible links join them another way: else the refusal would
    say that hidden records do (R-MDB-34).
    """
    mine = list(shown.refs)
    links = Link.objects.visible_to(shown.user).exclude(decision=Link.Decision.JOINED)
    touching = links.filter(left__in=mine) | links.filter(right__in=mine)
    touching = touching.select_related(
        "left__system", "right__system", "left__mapping", "right__mapping", "model_version"
    ).order_by("-weight", "pk")
    home = {} if shown.sees_every_system else {ref: part for part in parts for ref in part}
    doubts = []
    for link in touching[:MOST_DOUBTS]:
        if link.left_id in home and link.right_id in home and home[link.left_id] is not home[link.right_id]:
            continue
        inside, other = (link.left, link.right) if link.left_id in shown.refs else (link.right, link.left)
        mapping = getattr(other, "mapping", None)
        elsewhere = mapping.contact_id if mapping and mapping.contact_id != shown.contact.pk else None
        doubts.append(
            {
                "ref": inside,
                "other": other,
                "contact_id": elsewhere,
                "words": in_words(link, rules=shown.rules, hides=not shown.sees_every_system),
                "weight": link.weight,
                "household": link.household,
                "is_refused": link.decision == Link.Decision.REFUSED,
            }
        )
    return doubts

"""Why together: the links between the visible System Refs of a contact, and what each rests on.

Only what joins two visible refs is read. Where the visible refs hang together through hidden ones alone,
there is no explanation, and nothing says that there would be one (R-MDB-33, 34; BEYOND 6).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from contacts.contact_page import drawing
from contacts.contact_page.parts import Shown
from contacts.contact_page.why_links import Explained, explain_link, in_words, settings_of
from contacts.grouping import explain
from contacts.grouping.records import LINK_SCHEMA
from contacts.grouping.rules import MUST
from contacts.models import GroupDecision, Link, SystemRef

MOST_DOTS = 48
MOST_DOUBTS = 30


def why_together(shown: Shown) -> Mapping[str, Any]:
    """What partials/why.html shows."""
    links = _joined(shown)
    parts = drawing.parts(list(shown.refs), list(links))
    held = {ref for part in parts if len(part) > 1 for ref in part}
    # Someone who sees everything is shown a ref without a link as well: it is a fact, and hides nobody.
    drawn = [ref for ref in shown.refs if ref in held or (shown.sees_every_system and len(shown.refs) > 1)]
    strengths = {pair: _strength(link) for pair, link in links.items()}
    tree = drawing.spanning(strengths)
    weakest = _weakest(links)
    asked = _asked(shown, links)
    shown_links = asked["path"] or sorted(tree, key=lambda pair: strengths[pair])
    return {
        "drawing": _drawing(shown, drawn[:MOST_DOTS], links, weakest) if links else None,
        "weakest": weakest if len(held) > 2 else None,
        "left_out": max(len(drawn) - MOST_DOTS, 0),
        "links": [_explained(shown, links[pair], pair == weakest) for pair in shown_links],
        "choices": [shown.refs[ref] for ref in drawn] if links and len(held) > 2 else [],
        "asked": asked,
        "doubts": _doubts(shown, parts),
        "refs": len(shown.refs),
    }


def why_in_brief(shown: Shown) -> Mapping[str, Any]:
    """The drawing's facts in words, for beside the accounts."""
    links = _joined(shown)
    weakest = _weakest(links)
    tree = drawing.spanning({pair: _strength(link) for pair, link in links.items()})
    chosen = [weakest] if weakest else []
    chosen += [pair for pair in reversed(tree) if pair not in chosen]
    return {
        "links": [_explained(shown, links[pair], pair == weakest) for pair in chosen[:4]],
        "more": max(len(chosen) - 4, 0),
        "refs": len(shown.refs),
    }


def _joined(shown: Shown) -> dict[tuple[int, int], Link]:
    """The joined links and must-decisions between the visible refs, by pair."""
    refs = list(shown.refs)
    if len(refs) < 2:
        return {}
    links = Link.objects.filter(left__in=refs, right__in=refs, decision=Link.Decision.JOINED)
    found = {(link.left_id, link.right_id): link for link in links.select_related("model_version")}
    decisions = GroupDecision.objects.standing().filter(
        left__in=refs, right__in=refs, kind=GroupDecision.Kind.MUST
    )
    for decision in decisions.select_related("author"):
        pair = (decision.left_id, decision.right_id)
        link = found.setdefault(
            pair, Link(left_id=pair[0], right_id=pair[1], weight=0, household=0, evidence="")
        )
        link.decided = decision
    return found


def _strength(link: Link) -> float:
    """As the engine ranks links; a person's decision holds above any score."""
    return 1000.0 if _is_decided(link) else link.weight + link.household


def _is_decided(link: Link) -> bool:
    return hasattr(link, "decided") or link.rule == MUST


def _weakest(links: Mapping[tuple[int, int], Link]) -> tuple[int, int] | None:
    if len(links) < 2:
        return next(iter(links), None)
    weakest = explain.weakest_link(_table(links))
    return (weakest.left_id, weakest.right_id) if weakest else None


def _table(links: Mapping[tuple[int, int], Link]) -> pa.Table:
    rows = [
        {
            "left_id": left,
            "right_id": right,
            "decision": str(Link.Decision.JOINED),
            "rule": link.rule,
            "guard": link.guard,
            "weight": _strength(link),
            "household": 0.0,
            "evidence": link.evidence,
        }
        for (left, right), link in links.items()
    ]
    return pa.Table.from_pylist(rows, schema=LINK_SCHEMA)


def _asked(shown: Shown, links: Mapping[tuple[int, int], Link]) -> dict[str, Any]:
    """The two refs chosen in the address and the path between them over visible links."""
    chosen = []
    for end in ("from", "to"):
        value = shown.asked.get(end, "")
        chosen.append(shown.refs.get(int(value)) if value.isdecimal() and len(value) < 19 else None)
    start, end = chosen
    path: list[tuple[int, int]] = []
    if start and end and start != end:
        steps = explain.path(_table(links), start.pk, end.pk)
        path = [(int(str(step["left_id"])), int(str(step["right_id"]))) for step in steps]
    return {"start": start, "end": end, "path": path, "steps": _steps(shown, start, path)}


def _steps(shown: Shown, start: SystemRef | None, path: Sequence[tuple[int, int]]) -> list[SystemRef]:
    """The refs along the path, the chosen one first."""
    if not path or start is None:
        return []
    here, refs = start.pk, [start]
    for left, right in path:
        here = right if here == left else left
        refs.append(shown.refs[here])
    return refs


def _explained(shown: Shown, link: Link, is_weakest: bool) -> Explained:
    return explain_link(
        link, shown.refs[link.left_id], shown.refs[link.right_id], is_weakest=is_weakest, shown=shown
    )


def _drawing(
    shown: Shown,
    drawn: Sequence[int],
    links: Mapping[tuple[int, int], Link],
    weakest: tuple[int, int] | None,
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
            "thickness": drawing.thickness(link.weight if link.evidence else 20),
            "is_decided": _is_decided(link),
            "is_weakest": (left, right) == weakest,
            "weight": link.weight,
            "said": "a person" if _is_decided(link) else f"{link.weight:.1f}",
        }
        for (left, right), link in links.items()
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
                "words": in_words(link, settings_of(link.model_version), hides=not shown.sees_every_system),
                "weight": link.weight,
                "household": link.household,
                "is_refused": link.decision == Link.Decision.REFUSED,
            }
        )
    return doubts

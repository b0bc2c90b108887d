"""Why two refs are together, or not: from a stored link, without comparing anything again."""

import heapq
import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from contacts.grouping.comparisons import COMPARISONS
from contacts.grouping.model import Model
from contacts.grouping.records import Decision

__all__ = ["COMPARISONS", "Bar", "WeakestLink", "path", "waterfall", "weakest_link"]

Against = Literal["stranger", "housemate"]
UNKNOWN = "not known"
START = {"stranger": "Two people at random", "housemate": "Two people of one household"}


@dataclass(frozen=True)
class Bar:
    """One step of a waterfall, in log2: `weight` moves the sum to `running_total`."""

    label: str
    level_label: str
    weight: float
    running_total: float


@dataclass(frozen=True)
class WeakestLink:
    """The joined link whose removal would split its group, and the ref ids of the two parts, lowest first."""

    left_id: int
    right_id: int
    weight: float
    household: float
    left_side: frozenset[int]
    right_side: frozenset[int]


def waterfall(evidence: str, model: Model, *, against: Against) -> list[Bar]:
    """From the prior, one bar per comparison, to the link's weight ("stranger") or household score."""
    total = model.prior_weight if against == "stranger" else model.household_prior
    bars = [Bar("Before looking", START[against], total, total)]
    for comparison, (number, weight, household) in zip(COMPARISONS, json.loads(evidence), strict=True):
        step = float(weight if against == "stranger" else household)
        total = round(total + step, 3)
        level = comparison.level(number)
        bars.append(Bar(comparison.label, level.label if level else UNKNOWN, step, total))
    return bars


def path(links: pa.Table, start: int, end: int) -> list[dict[str, object]]:
    """The joined links (rows of LINK_SCHEMA) that lead from one ref to the other, in walking order.

    The fewest links; of equally short ways the one whose weakest link is strongest. Empty when the two are
    not joined or are the same ref.
    """
    neighbours = _neighbours(_joined(links))
    # A way is ranked by length, then by its weakest strength (largest first), then by the refs on it.
    waiting: list[tuple[int, float, tuple[int, ...]]] = [(0, float("-inf"), (start,))]
    best: dict[int, tuple[int, float]] = {}
    while waiting:
        length, weakness, way = heapq.heappop(waiting)
        here = way[-1]
        if here == end:
            return [neighbours[a][b] for a, b in zip(way, way[1:], strict=False)]
        if here in best:
            continue
        best[here] = (length, weakness)
        for ref, link in sorted(neighbours[here].items(), key=lambda item: item[0]):
            if ref not in best:
                heapq.heappush(waiting, (length + 1, max(weakness, -strength(link)), (*way, ref)))
    return []


def weakest_link(links: pa.Table) -> WeakestLink | None:
    """Of the joined links that hold a group together alone, the weakest; None when every part is held twice.

    `links` are those of one group; with several groups the weakest of all is found. Linear in the links.
    """
    joined = _joined(links)
    neighbours = _neighbours(joined)
    bridges = _bridges(neighbours)
    if not bridges:
        return None
    a, b = min(bridges, key=lambda bridge: (strength(neighbours[bridge[0]][bridge[1]]), bridge))
    link = neighbours[a][b]
    left, right = sorted((a, b))
    return WeakestLink(
        left,
        right,
        float(str(link["weight"])),
        float(str(link["household"])),
        _side(neighbours, left, right),
        _side(neighbours, right, left),
    )


def strength(link: dict[str, object]) -> float:
    """How firmly a link holds: its weight plus its household score, as when groups are built."""
    return float(str(link["weight"])) + float(str(link["household"]))


Neighbours = dict[int, dict[int, dict[str, object]]]


def _joined(links: pa.Table) -> list[dict[str, object]]:
    return [link for link in links.to_pylist() if link["decision"] == Decision.JOINED]


def _neighbours(links: Iterable[dict[str, object]]) -> Neighbours:
    found: Neighbours = defaultdict(dict)
    for link in links:
        left, right = int(str(link["left_id"])), int(str(link["right_id"]))
        found[left][right] = link
        found[right][left] = link
    return found


def _bridges(neighbours: Neighbours) -> list[tuple[int, int]]:
    """Links on no cycle (Tarjan), walked without recursion because a group may be a long chain."""
    order: dict[int, int] = {}
    lowest: dict[int, int] = {}
    bridges = []
    for root in sorted(neighbours):
        if root in order:
            continue
        order[root] = lowest[root] = len(order)
        stack = [(root, root, iter(sorted(neighbours[root])))]
        while stack:
            here, parent, rest = stack[-1]
            ref = next(rest, None)
            if ref is None:
                stack.pop()
                lowest[parent] = min(lowest[parent], lowest[here])
                if here != parent and lowest[here] > order[parent]:
                    bridges.append((min(parent, here), max(parent, here)))
            elif ref not in order:
                order[ref] = lowest[ref] = len(order)
                stack.append((ref, here, iter(sorted(neighbours[ref]))))
            elif ref != parent:
                lowest[here] = min(lowest[here], order[ref])
    return bridges


def _side(neighbours: Neighbours, start: int, without: int) -> frozenset[int]:
    """The refs that stay with `start` when its link to `without` is gone."""
    seen, waiting = {start}, [start]
    while waiting:
        here = waiting.pop()
        for ref in neighbours[here]:
            if ref not in seen and not (here == start and ref == without):
                seen.add(ref)
                waiting.append(ref)
    return frozenset(seen)

"""One JSON line per figure, and the measures that several benchmarks share."""

import json
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Figure:
    """A measured value beside what it is compared with (`baseline`) and what it must reach (`target`)."""

    name: str
    value: float
    baseline: float | None
    ratio: float | None
    target: str
    met: bool


@dataclass(frozen=True)
class Agreement:
    """Pairwise agreement of groups with the truth."""

    precision: float
    recall: float
    f1: float


def report(
    name: str, value: float, *, target: float, baseline: float | None = None, at_least: bool = True
) -> bool:
    """Print the figure as one JSON line; say whether it reaches its target."""
    met = value >= target if at_least else value <= target
    ratio = round(value / baseline, 4) if baseline else None
    sign = ">=" if at_least else "<="
    print(json.dumps(asdict(Figure(name, round(value, 4), baseline, ratio, f"{sign} {target}", met))))
    return met


def agreement(groups: Sequence[Hashable], truth: Sequence[Hashable]) -> Agreement:
    """Precision, recall and F1 over pairs of rows; both sequences in the same row order."""
    right = _pairs(list(zip(groups, truth, strict=True)))
    precision = right / max(1, _pairs(groups))
    recall = right / max(1, _pairs(truth))
    return Agreement(precision, recall, 2 * precision * recall / max(1e-12, precision + recall))


def _pairs(labels: Sequence[Hashable]) -> int:
    return sum(count * (count - 1) // 2 for count in Counter(labels).values())

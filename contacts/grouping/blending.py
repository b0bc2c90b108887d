"""From counts to weights: what was learnt blended with the preset, ordered, bounded, never the same twice."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from contacts.grouping.comparisons import Comparison, Level

# So many pairs of evidence weigh as much as the preset.
PRESET_PAIRS = 25.0
# What is learnt moves a weight by at most so many bits: beyond, it is the data that are odd.
MOST_BITS = 6.0
# Weights of two levels lie at least so far apart: levels are read back from them.
LEAST_STEP = 0.01
HOUSEHOLD_BITS = 8.0
# People of one house share these as one person does, so what a level weighs between the two stays as it is.
SHARED_IN_A_HOUSE = ("last", "phone", "address")
LEAST_EVIDENCE = 0.01
LEAST, MOST = 1e-9, 0.999


@dataclass(frozen=True)
class Seen:
    """Pairs seen at each level of a comparison, strongest first: of one person, and of strangers.

    `collisions`: how often two random filled values of a column agree, for levels that go by the share of
    their value only where nothing finer is known.
    """

    same: Sequence[float]
    strangers: Sequence[float]
    collisions: Mapping[str, float] = field(default_factory=dict)


def blend(comparison: Comparison, seen: Seen) -> list[tuple[float, float, float]]:
    """m, u and home of each level, as the model keeps them."""
    weights = _spread(comparison, [_weight(comparison, seen, i) for i in range(len(comparison.levels))])
    rows = []
    for index, (level, weight) in enumerate(zip(comparison.levels, weights, strict=True)):
        m = _probability(comparison, seen, index, weight)
        u = m / 2**weight
        rows.append((m, u, m / 2 ** _household(comparison, level, m, seen.same[index])))
    return rows


def _weight(comparison: Comparison, seen: Seen, index: int) -> float:
    """log2 m over u: the preset's until the level was seen often enough in both kinds of pair."""
    preset = comparison.levels[index].weight
    same, strangers = seen.same[index], seen.strangers[index]
    evidence = min(same, strangers)
    if evidence < LEAST_EVIDENCE:
        return preset
    learnt = math.log2(same / sum(seen.same)) - math.log2(strangers / sum(seen.strangers))
    blended = (evidence * learnt + PRESET_PAIRS * preset) / (evidence + PRESET_PAIRS)
    return min(preset + MOST_BITS, max(preset - MOST_BITS, blended))


def _spread(comparison: Comparison, weights: Sequence[float]) -> list[float]:
    """The weights in the order that the preset has them in, each a step above the next weaker one.

    Neighbours in the wrong order share their mean, as in an isotonic regression. The weakest speaks against
    and the strongest for the pair, as in the preset.
    """
    order = sorted(range(len(weights)), key=lambda index: comparison.levels[index].weight)
    pools: list[list[float]] = []
    for index in order:
        pools.append([weights[index]])
        while len(pools) > 1 and _mean(pools[-2]) > _mean(pools[-1]):
            pools[-2:] = [pools[-2] + pools[-1]]
    level = [_mean(pool) for pool in pools for _ in pool]
    level[0] = min(level[0], -LEAST_STEP)
    for place in range(1, len(level)):
        level[place] = max(level[place], level[place - 1] + LEAST_STEP)
    level[-1] = max(level[-1], LEAST_STEP)
    spread = [0.0] * len(weights)
    for place, index in enumerate(order):
        spread[index] = level[place]
    return spread


def _mean(pool: Sequence[float]) -> float:
    return sum(pool) / len(pool)


def _probability(comparison: Comparison, seen: Seen, index: int, weight: float) -> float:
    level = comparison.levels[index]
    if level.share in seen.collisions:
        return min(MOST, MOST * 2**weight, seen.collisions[level.share] * 2**weight)
    preset = level.m / sum(other.m for other in comparison.levels)
    blended = (seen.same[index] + PRESET_PAIRS * preset) / (sum(seen.same) + PRESET_PAIRS)
    return min(MOST, MOST * 2**weight, max(LEAST, blended))  # u = m / 2**weight stays a probability too


def _household(comparison: Comparison, level: Level, m: float, same: float) -> float:
    """log2 m over home: what a house does not share is weighed anew, as far as it was seen on one person."""
    if comparison.key in SHARED_IN_A_HOUSE:
        return level.household
    learnt = math.log2(m / level.home)
    blended = (same * learnt + PRESET_PAIRS * level.household) / (same + PRESET_PAIRS)
    return min(HOUSEHOLD_BITS, max(-HOUSEHOLD_BITS, blended))

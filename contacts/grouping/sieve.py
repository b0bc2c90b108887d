"""Which weakly found pairs cannot count: found out by bounds, without comparing everything."""

import math
from collections.abc import Sequence

from contacts.grouping.candidates import WEAK
from contacts.grouping.comparisons import Comparison, Level
from contacts.grouping.model import Model
from contacts.grouping.rules import Outcome, either, in_turn

# The bound is a sum of unrounded weights, Splink's of rounded ones.
SLACK = 0.05
# Exact where they are cheap; these are asked last and in this order, only of pairs that could still count.
DEAR = ("address", "email")
NAMES = ("first", "last")


def sieve_sql(pairs: str, model: Model, ways: Sequence[Outcome]) -> str:
    """SQL: the rows of `pairs` (match_key, fn_l, fn_r... tf_fn_l...), of weak ones those that could count.

    Those are the ones for which a rule may hold or the weight may reach the threshold. No pair is lost: where
    a comparison has not been looked at, it counts with its strongest level.
    """
    by_key = {comparison.key: comparison for comparison in model.comparisons}
    cheap = [
        _equal_or_best(comparison) if key in NAMES else _exact(comparison)
        for key, comparison in by_key.items()
        if key not in DEAR
    ]
    dear = [by_key[key] for key in DEAR if key in by_key]
    stages = []
    for number in range(len(dear) + 1):
        terms = [*map(_exact, dear[:number]), *map(_best, dear[number:])]
        stages.append(f"{' + '.join(['so_far', *terms])} >= {model.review_weight - SLACK!r}")
    could_count = either(in_turn(*stages), *dict.fromkeys(way.least or way.sql for way in ways))
    so_far = " + ".join([repr(model.prior_weight), *cheap])
    return f"""
        select * from (select *, case when match_key = '{WEAK}' then {so_far} end as so_far from {pairs})
        where case when match_key = '{WEAK}' then {could_count} else true end
    """


def _strongest(level: Level) -> float:
    """The most that the level can weigh, however rare the value."""
    if not level.share:
        return level.weight
    return max(level.weight, math.log2(level.m / level.rarest)) if level.rarest else math.inf


def _most(levels: Sequence[Level]) -> str:
    """SQL: the most that any of the levels can weigh."""
    return _number(max(map(_strongest, levels)))


def _number(weight: float) -> str:
    return repr(round(weight, 6)) if math.isfinite(weight) else "1e6"


def _equal_or_best(comparison: Comparison) -> str:
    """SQL: what equal values weigh, by their rarity; of unequal ones only the most they could."""
    equal, *others = comparison.levels
    if not equal.share:
        return _best(comparison)
    share = f"tf_{equal.share}_l"
    weight = f"""if({share} is null, {_number(equal.weight)},
        log2({equal.m!r} / greatest({share}, {equal.rarest!r})))"""
    return f"""(case when {comparison.blank} then 0.0 when {equal.sql} then {weight}
        else {_most(others)} end)"""


def _best(comparison: Comparison) -> str:
    return f"(case when {comparison.blank} then 0.0 else {_most(comparison.levels)} end)"


def _exact(comparison: Comparison) -> str:
    *levels, rest = comparison.levels
    cases = " ".join(f"when {level.sql} then {_number(_strongest(level))}" for level in levels)
    return f"(case when {comparison.blank} then 0.0 {cases} else {_number(rest.weight)} end)"

"""How the candidate pairs fall into one person, one household and strangers, and where to join them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import duckdb

from contacts.grouping.model import (
    HIGHEST_HOUSEHOLD_PRIOR,
    PARTNERS,
    PRESET_HOUSEHOLD_PRIOR,
    SMALLEST_POPULATION,
    Model,
)
from contacts.grouping.rules import Holds, Outcome
from contacts.grouping.score import beyond_names_sql, household_sql, make_source, score_pairs, weight_sql

NO_WAY = [Outcome("none", Holds.YES, "false")]
EVERY_PAIR = -1_000.0
ROUNDS = 100
JOIN_WEIGHTS = (6.0, 5.5, 5.0, 4.5, 4.0, 3.5, 3.0, 2.5, 2.0, 1.5, 1.0, 0.5, 0.0)
# A lower threshold has to find so much more, and what it joins has to be right so often.
LEAST_GAIN = 0.001
LEAST_PRECISION = 0.95
NAMES_GAIN = 0.015
REVIEW_BITS = 3.0
SURE_BITS = 5.0
FEWEST_SURE_PAIRS = 50
MOST_PARTNERS = 4.0  # times the preset's, and not below its fourth part


@dataclass(frozen=True)
class Bin:
    """Candidate pairs of about the same weights, before any prior."""

    weight: float
    household: float
    is_beyond_names: bool
    pairs: int


@dataclass(frozen=True)
class Calibration:
    """`same` and `housemates` are the expected numbers of pairs among `pairs` possible ones."""

    same: float
    housemates: float
    pairs: float
    bins: Sequence[Bin]

    @property
    def prior(self) -> float:
        """Probability that two random records are one person."""
        return self.same / self.pairs

    @property
    def household_prior(self) -> float:
        """log2 odds of one person over one household."""
        return math.log2(max(self.same, 0.5) / max(self.housemates, 0.5))

    def precision_at(self, model: Model) -> float:
        """The share of right ones to expect among the pairs that this model joins."""
        shares = self.posteriors()
        return _expect(model, self, shares, model.join_weight, names_suffice=model.names_suffice).precision

    def posteriors(self) -> list[float]:
        """Of each bin the probability that its pairs are one person."""
        return [_posterior(one, self.same / self.pairs, self.housemates / self.pairs)[0] for one in self.bins]


def calibrate(con: duckdb.DuckDBPyConnection, model: Model) -> Calibration:
    """Count the three kinds among the rows of `pairs`, all others of `records` taken for strangers.

    The shares of the kinds are the only unknowns, so the rounds have one fixed point to find.
    """
    records = con.execute("select count(*) from records").fetchall()[0][0]
    everything = max(1.0, records * (records - 1) / 2)
    bins = _bins(con, model)
    same, housemates = model.prior * everything, 2 * model.prior * everything
    for _ in range(ROUNDS):
        before = same
        shares = [_posterior(found, same / everything, housemates / everything) for found in bins]
        same = max(0.5, sum(found.pairs * p for found, (p, _h) in zip(bins, shares, strict=True)))
        housemates = max(0.5, sum(found.pairs * h for found, (_p, h) in zip(bins, shares, strict=True)))
        if abs(same - before) < 0.001 * before:
            break
    return Calibration(same, housemates, everything, bins)


def _bins(con: duckdb.DuckDBPyConnection, model: Model) -> list[Bin]:
    bare = replace(model, review_weight=EVERY_PAIR)
    make_source(con, bare)
    score_pairs(con, model=bare, ways=NO_WAY)
    rows = con.execute(f"""
        select round({weight_sql(bare)} - {bare.prior_weight!r}, 1)::double,
            round({household_sql(bare)} - {bare.household_prior!r}, 1)::double,
            {beyond_names_sql(bare)}, count(*)
        from scored group by all order by all
    """).fetchall()
    con.execute("drop table scored")
    return [Bin(*row) for row in rows]


def _posterior(found: Bin, same: float, housemates: float) -> tuple[float, float]:
    """Probabilities of one person and of one household, given their shares among all pairs."""
    for_same = math.log2(same) + found.weight
    for_house = math.log2(housemates) + found.weight - found.household
    for_strangers = math.log2(max(1e-12, 1 - same - housemates))
    most = max(for_same, for_house, for_strangers)
    odds = [2 ** (value - most) for value in (for_same, for_house, for_strangers)]
    return odds[0] / sum(odds), odds[1] / sum(odds)


def with_calibration(model: Model, found: Calibration) -> Model:
    """The model with the prior, the household prior and the threshold that these pairs ask for."""
    partners = found.prior * max(model.population, SMALLEST_POPULATION)
    partners = min(PARTNERS * MOST_PARTNERS, max(PARTNERS / MOST_PARTNERS, partners))
    household = min(HIGHEST_HOUSEHOLD_PRIOR, max(PRESET_HOUSEHOLD_PRIOR, found.household_prior))
    calibrated = replace(model, partners=partners, household_prior=round(household, 3))
    choice = _choose(calibrated, found)
    return replace(
        calibrated,
        join_weight=choice.threshold,
        names_suffice=choice.names_suffice,
        review_weight=min(0.0, choice.threshold - REVIEW_BITS),
    )


@dataclass(frozen=True)
class Choice:
    """Where to join, and the precision and F1 that the pairs lead to expect."""

    threshold: float
    names_suffice: bool
    precision: float
    f1: float


def _choose(model: Model, found: Calibration) -> Choice:
    """The most careful choice whose expected F1 is close to the best that is precise enough."""
    shares = found.posteriors()
    careful, *bolder = (
        _expect(model, found, shares, threshold, names_suffice=names_suffice)
        for names_suffice in (False, True)
        for threshold in JOIN_WEIGHTS
    )
    choices = [careful, *(choice for choice in bolder if choice.precision >= LEAST_PRECISION)]
    best = max(choice.f1 - NAMES_GAIN * choice.names_suffice for choice in choices)
    return next(
        choice for choice in choices if choice.f1 - NAMES_GAIN * choice.names_suffice >= best - LEAST_GAIN
    )


def _expect(
    model: Model, found: Calibration, shares: Sequence[float], threshold: float, *, names_suffice: bool
) -> Choice:
    joined = [
        (one.pairs, share)
        for one, share in zip(found.bins, shares, strict=True)
        if (names_suffice or one.is_beyond_names)
        and one.weight + model.prior_weight >= threshold
        and one.household + model.household_prior >= model.join_household
    ]
    total, right = sum(pairs for pairs, _p in joined), sum(pairs * share for pairs, share in joined)
    precision, recall = right / total if total else 1.0, right / found.same
    return Choice(
        threshold, names_suffice, precision, 2 * precision * recall / max(1e-12, precision + recall)
    )


def share_of_sure_pairs_lost(con: duckdb.DuckDBPyConnection, before: Model, after: Model) -> float:
    """Of the rows of `pairs` that `before` finds beyond doubt, the share that `after` would not join."""
    for name, model in (("scored_before", before), ("scored_after", after)):
        make_source(con, model)
        score_pairs(con, model=replace(model, review_weight=EVERY_PAIR), ways=NO_WAY)
        con.execute(f"""
            create or replace temp table {name} as
            select l, r, {weight_sql(model)} as weight, {household_sql(model)} as household from scored
        """)
        con.execute("drop table scored")
    lost, sure = con.execute(f"""
        select count(*) filter (
            a.weight < {after.join_weight} or a.household < {after.join_household}
        ), count(*)
        from scored_before b join scored_after a using (l, r)
        where b.weight >= {before.join_weight + SURE_BITS}
        and b.household >= {before.join_household + SURE_BITS}
    """).fetchall()[0]
    con.execute("drop table scored_before; drop table scored_after")
    return float(lost / sure) if sure >= FEWEST_SURE_PAIRS else 0.0

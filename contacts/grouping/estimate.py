"""Learns the weights from the refs themselves, or says why they stay as they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import duckdb
import pyarrow as pa

from contacts.grouping.blending import Seen, blend
from contacts.grouping.calibration import (
    LEAST_PRECISION,
    MOST_PARTNERS,
    Calibration,
    calibrate,
    share_of_sure_pairs_lost,
    with_calibration,
)
from contacts.grouping.candidates import KEY_KINDS, blank_poisoned, content_hash, make_pairs
from contacts.grouping.comparisons import COMPARISONS, NAME_COMPARISONS, Comparison, Weights
from contacts.grouping.connection import connect
from contacts.grouping.model import FEWEST_HOLDERS, PARTNERS, Model
from contacts.grouping.normalise import normalise
from contacts.grouping.records import check_refs
from contacts.grouping.training import (
    CLEAN_PASSES,
    FAMILY_PASSES,
    RANDOM_PAIRS,
    Pass,
    Probabilities,
    Trained,
    random_agreement,
    train,
)

FEWEST_REFS = 500
FEWEST_MATCHES = 100.0  # expected pairs of one person behind what a comparison learns
ENOUGH_MATCHES = 200.0  # from here on the passes that may meet families are not asked
LEAST_DISTINCT = 0.3  # of the refs, without those that are copies of another
FILLED = 0.05  # of the records: a field with less says too little to be called odd
# With a larger share of one value a field is odd. A club may know one town only, but not one name.
COMMONEST = {"fn": 0.2, "ln": 0.2, "dob": 0.2, "em": 0.2, "mob": 0.2, "ph": 0.5, "pc": 0.7, "city": 0.95}
CALLED = {
    "fn": "first name", "ln": "last name", "dob": "date of birth", "em": "e-mail", "mob": "mobile",
    "ph": "business phone", "pc": "postcode", "city": "city",
}  # fmt: skip
LEAST_U = 1e-8
# The number of pairs of one person is known only in the end; where it was far off, a second round is due.
FAR_OFF = 1.3
MOST_SURE_PAIRS_LOST = 0.02


@dataclass(frozen=True)
class Estimate:
    """The model given, with what was learnt where `is_learnt`; `reason` is a sentence for the screen."""

    model: Model
    is_learnt: bool
    reason: str


class _Odd(Exception):
    """Says why nothing can be learnt from these refs."""


@dataclass
class _Evidence:
    """Expected pairs of one person at each level, and which passes they come from."""

    same: dict[str, list[float]] = field(default_factory=dict)
    passes: list[Trained] = field(default_factory=list)

    def known(self, key: str) -> float:
        return sum(self.same.get(key, ()))

    def add(self, found: Trained, keys: Sequence[str]) -> None:
        self.passes.append(found)
        for key in keys:
            counted = [found.matches * m for m in found.m[key]]
            before = self.same.get(key, [0.0] * len(counted))
            self.same[key] = [a + b for a, b in zip(before, counted, strict=True)]


def estimate(
    refs: pa.Table,
    *,
    model: Model,
    default_country: str = "GB",
    memory_limit: str = "2GB",
    threads: int = 2,
) -> Estimate:
    """Learn m and u from these refs by Splink's EM, blended with the preset, and where to join.

    `model` was frozen on these refs. Where they are few or odd it is given back as it is, with the reason.
    About half a minute, and for a million refs a few minutes. Raises UnusableRefs.
    """
    try:
        if refs.num_rows < FEWEST_REFS:
            raise _Odd(
                f"There are {refs.num_rows:,} System Refs; {FEWEST_REFS:,} are the fewest to learn from."
            )
        with connect(memory_limit=memory_limit, threads=threads, hash_key=model.hash_key) as con:
            columns = normalise(con, check_refs(refs), default_country=default_country)
            blank_poisoned(con, model.bad_keys)
            _make_records(con, columns)
            _refuse_odd(con, refs.num_rows)
            return _learn(con, model)
    except _Odd as odd:
        return Estimate(model, False, f"{odd} The weights stay as they are.")


def _make_records(con: duckdb.DuckDBPyConnection, columns: Sequence[str]) -> None:
    """The table `records`, one row per distinct content: an account imported ten times teaches as one."""
    con.execute(f"""
        create temp table records as select plain.*, ref_id as rec from plain
        where ref_id in (select min(ref_id) from plain group by {content_hash(columns)})
    """)


def _refuse_odd(con: duckdb.DuckDBPyConnection, refs: int) -> None:
    records = con.execute("select count(*) from records").fetchall()[0][0]
    if records < LEAST_DISTINCT * refs:
        raise _Odd(f"Of {refs:,} System Refs only {records:,} differ from each other.")
    for column, most in COMMONEST.items():
        filled, top = con.execute(f"""
            select coalesce(sum(n), 0), coalesce(max(n), 0)
            from (select count(*) as n from records where {column} is not null group by {column})
        """).fetchall()[0]
        if filled > FILLED * records and top > most * filled:
            raise _Odd(f"{top:,} of {filled:,} records have the same {CALLED[column]}.")
        if column in ("fn", "ln") and filled < FEWEST_REFS / 2:
            raise _Odd(f"Only {filled:,} records have a {CALLED[column]}.")


def _learn(con: duckdb.DuckDBPyConnection, model: Model) -> Estimate:
    """Raises _Odd."""
    compared = [comparison for comparison in COMPARISONS if _is_filled(con, comparison)]
    random = random_agreement(con, compared)
    rare = replace(model, rare_holders=_rare_holders(con))
    kinds = [kind for kind in KEY_KINDS if kind.name in model.key_kinds]
    make_pairs(con, kinds=kinds, bad_keys=model.bad_keys)
    prior = model.prior
    for _round in range(2):
        evidence = _train(con, compared, random, prior=prior)
        learnt = replace(rare, weights=_weights(con, compared, evidence, random, prior=prior))
        found = calibrate(con, learnt)
        if max(prior / found.prior, found.prior / prior) < FAR_OFF:
            break
        prior = found.prior
    learnt = with_calibration(learnt, found)
    _refuse_unlikely(con, model, learnt, found)
    matches = max(evidence.known(comparison.key) for comparison in compared)
    return Estimate(
        learnt,
        True,
        f"Learnt from about {matches:,.0f} pairs of records that are one person each, found in "
        f"{len(evidence.passes)} ways ({', '.join(step.name for step in evidence.passes)}).",
    )


def _is_filled(con: duckdb.DuckDBPyConnection, comparison: Comparison) -> bool:
    """Whether enough records hold a value of it."""
    columns = {
        "first": "fn", "last": "ln", "birth": "dob", "email": "em", "mobile": "mob", "phone": "ph",
        "address": "coalesce(pc, ad, city)",
    }  # fmt: skip
    filled, records = con.execute(
        f"select count({columns[comparison.key]}), count(*) from records"
    ).fetchall()[0]
    return bool(filled >= FILLED * records)


def _rare_holders(con: duckdb.DuckDBPyConnection) -> float:
    """How many records hold a name that the frequencies leave out, as the holder of one would see it."""
    counts = " union all ".join(
        f"select count(*) as n from records where {column} is not null group by {column}"
        for column in ("fn", "ln")
    )
    found = con.execute(f"select sum(n * n) / sum(n) from ({counts}) where n < {FEWEST_HOLDERS}").fetchall()
    return round(float(found[0][0] or FEWEST_HOLDERS), 3)


def _train(
    con: duckdb.DuckDBPyConnection,
    compared: Sequence[Comparison],
    random: Mapping[str, Probabilities],
    *,
    prior: float,
) -> _Evidence:
    """Run the passes. Raises _Odd where they teach too little, or only one of them does."""
    start = [
        replace(
            comparison,
            levels=[
                # Among random pairs some are one person: those are no strangers' agreement.
                replace(level, u=max(LEAST_U, seen - prior * level.m))
                for level, seen in zip(comparison.levels, random[comparison.key], strict=True)
            ],
        )
        for comparison in compared
    ]
    keys = [comparison.key for comparison in compared]
    evidence = _Evidence()
    for step in CLEAN_PASSES:
        _run(con, step, start, evidence, [key for key in step.compares if key in keys], prior=prior)
    for step in FAMILY_PASSES:
        wanted = [key for key in step.compares if key in keys and evidence.known(key) < ENOUGH_MATCHES]
        _run(con, step, start, evidence, wanted, prior=prior)
    if any(evidence.known(key) < FEWEST_MATCHES for key in NAME_COMPARISONS) or len(evidence.passes) < 2:
        raise _Odd("The records agree too seldom in enough fields to tell who is one person.")
    return evidence


def _run(
    con: duckdb.DuckDBPyConnection,
    step: Pass,
    start: Sequence[Comparison],
    evidence: _Evidence,
    wanted: Sequence[str],
    *,
    prior: float,
) -> None:
    """One pass, of which only what converged counts. Two fields at least must be there to tell people by."""
    compared = [comparison for comparison in start if comparison.key in step.compares]
    if not wanted or len(compared) < 2:
        return
    found = train(con, step, compared, prior=prior)
    if found is not None and found.has_converged and found.matches >= FEWEST_MATCHES:
        evidence.add(found, wanted)


def _weights(
    con: duckdb.DuckDBPyConnection,
    compared: Sequence[Comparison],
    evidence: _Evidence,
    random: Mapping[str, Probabilities],
    *,
    prior: float,
) -> Weights:
    """m, u and home of every comparison of which enough was seen."""
    weights = {}
    for comparison in compared:
        total = evidence.known(comparison.key)
        if total < FEWEST_MATCHES:
            continue
        same = evidence.same[comparison.key]
        strangers = [
            max(0.0, RANDOM_PAIRS * (seen - prior * matches / total))
            for seen, matches in zip(random[comparison.key], same, strict=True)
        ]
        collisions = _collisions(con, prior) if comparison.key == "address" else {}
        weights[comparison.key] = blend(comparison, Seen(same, strangers, collisions))
    return weights


def _collisions(con: duckdb.DuckDBPyConnection, prior: float) -> dict[str, float]:
    """How often two records with a postcode (and with a city) agree on it without being one person."""
    found = {}
    for column in ("pc", "city"):
        seen = con.execute(f"""
            select sum((n / total) ** 2) from (
                select count(*) as n, sum(count(*)) over () as total
                from records where {column} is not null group by {column}
            )
        """).fetchall()[0][0]
        if seen:
            found[column] = max(seen - prior, seen / 4)
    return found


def _refuse_unlikely(con: duckdb.DuckDBPyConnection, model: Model, learnt: Model, found: Calibration) -> None:
    """Raises _Odd where what was learnt cannot be true."""
    if learnt.partners >= PARTNERS * MOST_PARTNERS:
        raise _Odd("It looks as if each person stood in the records many times over.")
    if found.precision_at(learnt) < LEAST_PRECISION:
        raise _Odd("With the weights learnt from these records, too many pairs would be joined wrongly.")
    lost = share_of_sure_pairs_lost(con, model, learnt)
    if lost > MOST_SURE_PAIRS_LOST:
        raise _Odd(f"The weights learnt would part {lost:.0%} of the pairs that are surely one person.")

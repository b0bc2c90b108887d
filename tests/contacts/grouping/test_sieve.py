"""Pairs are left out before they are compared only where comparing them would come to nothing."""

from dataclasses import replace

import pyarrow as pa
import pytest

from benchmarks.population import make_population
from contacts.grouping.candidates import STRONG, WEAK
from contacts.grouping.comparisons import COMPARISONS
from contacts.grouping.connection import connect
from contacts.grouping.engine import MUST_WAY, load_decisions, make_records
from contacts.grouping.model import Model, freeze_model
from contacts.grouping.normalise import normalise
from contacts.grouping.records import Decisions
from contacts.grouping.rules import DEFAULT_RULES, outcomes
from contacts.grouping.score import score_pairs

SIZE = 400
REFS, _ = make_population(SIZE, seed=5)
PRESET = Model.preset(1_000_000)
# As if the data had taught that first names and cities say little, and that two levels weigh the same.
LEARNT = {
    c.key: [(level.m, min(0.9, 20 * level.u), level.home) for level in c.levels]
    for c in COMPARISONS
    if c.key in ("first", "address")
} | {"mobile": [(0.5, 0.001, 0.01), (0.5, 0.001, 0.02), (0.2, 0.998, 0.9)]}


@pytest.mark.req("R-MDB-13")
@pytest.mark.parametrize(
    "model",
    [
        PRESET,
        freeze_model(REFS, version=1, hash_key=b"secret"),
        replace(PRESET, weights=LEARNT),
        replace(PRESET, population=2_000, review_weight=-8.0),
    ],
    ids=["preset", "frozen", "learnt", "small and lenient"],
)
def test_every_pair_that_counts_for_something_passes_the_sieve(model):
    compared, sieved = (_scored(model, match_key) for match_key in (STRONG, WEAK))

    assert compared.num_rows > SIZE / 4
    assert sieved == compared


def test_levels_of_one_weight_are_told_apart():
    weights = {"first": [(0.1, 0.05, 0.1)] * len(COMPARISONS[0].levels)}

    scored = _scored(replace(PRESET, weights=weights), STRONG)

    assert len(set(scored["g_first"].to_pylist())) > 3


def _scored(model: Model, match_key: str) -> pa.Table:
    """What scoring makes of every pair of records there is, found weakly or strongly."""
    ways = [MUST_WAY, *outcomes(DEFAULT_RULES)]
    with connect(memory_limit="1GB", threads=2, hash_key=model.hash_key) as con:
        columns = normalise(con, REFS, default_country="GB")
        load_decisions(con, Decisions(must=[(3, 99)]))
        make_records(con, columns, (), model)
        con.execute(f"""
            create temp table pairs as
            select l.rec as join_key_l, r.rec as join_key_r, '{match_key}' as match_key
            from records l join records r on l.rec < r.rec
        """)
        score_pairs(con, model=model, ways=ways)
        return con.sql("select * from scored order by l, r").to_arrow_table()

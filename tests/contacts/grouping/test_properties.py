"""What holds for any refs: order, partition and contracts, on small random inputs."""

from itertools import combinations

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from contacts.grouping.engine import group
from contacts.grouping.records import Decisions
from tests.contacts.grouping.refs import MODEL, table

REFS = st.lists(
    st.fixed_dictionaries(
        {
            "system_id": st.integers(1, 3),
            "first_name": st.sampled_from(["Ann", "A", "Anne", "Ben", ""]),
            "last_name": st.sampled_from(["Quennell", "Tarrant", ""]),
            "email": st.sampled_from(["ann@example.org", "home@example.org", ""]),
            "mobile": st.sampled_from(["07700 900100", "07700 900200", ""]),
            "postcode": st.sampled_from(["LS1 4AB", ""]),
        }
    ),
    max_size=10,
)
PAIRS = st.lists(st.tuples(st.integers(1, 10), st.integers(1, 10)), max_size=2)
# A run of the engine takes most of a second however few the refs, so the examples are few and each has many
# pairs; shrinking a failure would take minutes.
PHASES = [Phase.explicit, Phase.reuse, Phase.generate]
few = settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow], phases=PHASES)


@pytest.mark.slow
@few
@given(refs=REFS, must=PAIRS, never=PAIRS, order=st.randoms(use_true_random=False))
def test_any_row_order_gives_the_identical_result(refs, must, never, order):
    rows = table(*refs)
    shuffled = list(range(len(refs)))
    order.shuffle(shuffled)
    decisions = Decisions(must=must, never=never)

    first = group(rows, model=MODEL, decisions=decisions, excluded_systems=[3])
    second = group(
        rows.take(pa.array(shuffled, pa.int64())), model=MODEL, decisions=decisions, excluded_systems=[3]
    )

    assert first == second


@pytest.mark.slow
@few
@given(refs=REFS, must=PAIRS, never=PAIRS)
def test_no_group_holds_a_never_pair_or_crosses_a_contract(refs, must, never):
    result = group(
        table(*refs), model=MODEL, decisions=Decisions(must=must, never=never), excluded_systems=[3]
    )

    group_of = dict(
        zip(*(result.partition[name].to_pylist() for name in ("ref_id", "group_id")), strict=True)
    )
    system_of = {number: ref["system_id"] for number, ref in enumerate(refs, start=1)}
    together = [pair for pair in combinations(group_of, 2) if group_of[pair[0]] == group_of[pair[1]]]
    forbidden = {tuple(sorted(pair)) for pair in never}
    assert not forbidden & set(together)
    assert all(
        {system_of[a], system_of[b]} == {3} or 3 not in (system_of[a], system_of[b]) for a, b in together
    )

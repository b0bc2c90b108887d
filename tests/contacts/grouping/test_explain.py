"""Why together and why not, replayed from stored links."""

import pyarrow as pa

from contacts.grouping.explain import COMPARISONS, Bar, path, waterfall, weakest_link
from contacts.grouping.records import LINK_SCHEMA
from tests.contacts.grouping.refs import MODEL, run

ANN = {"first_name": "Ann", "last_name": "Quennell", "email": "ann@example.org"}


def links(*rows: tuple[int, int, str, float]) -> pa.Table:
    """Links with a left id, right id, decision and weight; the rest does not matter here."""
    names = ("left_id", "right_id", "decision", "weight")
    filled = [
        {"rule": "", "guard": "", "household": 0.0, "evidence": "[]"} | dict(zip(names, row, strict=True))
        for row in rows
    ]
    return pa.Table.from_pylist(filled, schema=LINK_SCHEMA)


def test_a_waterfall_runs_from_the_prior_to_the_weight_of_the_link():
    link = run(ANN, ANN | {"first_name": "Annie"}).links.to_pylist()[0]

    stranger = waterfall(link["evidence"], MODEL, against="stranger")
    housemate = waterfall(link["evidence"], MODEL, against="housemate")

    assert [bar.label for bar in stranger[1:]] == [comparison.label for comparison in COMPARISONS]
    assert stranger[0] == Bar(
        "Before looking", "Two people at random", MODEL.prior_weight, MODEL.prior_weight
    )
    assert [bar.level_label for bar in stranger[1:5]] == ["nickname", "exact", "not known", "exact"]
    assert stranger[-1].running_total == link["weight"]
    assert housemate[-1].running_total == link["household"]


def test_a_path_leads_through_third_refs_by_the_firmer_of_equally_short_ways():
    chain = links((1, 2, "joined", 9), (1, 3, "joined", 20), (2, 4, "joined", 9), (3, 4, "joined", 12))

    assert [(link["left_id"], link["right_id"]) for link in path(chain, 1, 4)] == [(1, 3), (3, 4)]
    assert [(link["left_id"], link["right_id"]) for link in path(chain, 4, 1)] == [(3, 4), (1, 3)]


def test_a_path_uses_joined_links_only():
    assert path(links((1, 2, "review", 9), (2, 3, "joined", 9)), 1, 3) == []


def test_the_weakest_link_is_the_weakest_bridge_with_the_two_sides_it_holds_together():
    found = weakest_link(
        links(
            (1, 2, "joined", 7),
            (1, 3, "joined", 7),
            (2, 3, "joined", 7),
            (3, 4, "joined", 9),
            (4, 5, "joined", 12),
        )
    )

    assert found is not None
    assert (found.left_id, found.right_id, found.weight) == (3, 4, 9.0)
    assert (found.left_side, found.right_side) == ({1, 2, 3}, {4, 5})


def test_a_group_held_together_twice_has_no_weakest_link():
    assert weakest_link(links((1, 2, "joined", 7), (1, 3, "joined", 7), (2, 3, "joined", 7))) is None

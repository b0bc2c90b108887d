"""What a few refs would come to, as they are and as they might be: as the engine itself says."""

from datetime import date

import pyarrow as pa
import pytest

from contacts.grouping.delta import Terms
from contacts.grouping.engine import NO_DECISIONS, group
from contacts.grouping.records import Decisions
from contacts.grouping.rules import DEFAULT_RULES
from contacts.grouping.worlds import World, judge
from tests.contacts.grouping.refs import MODEL, groups, table

TERMS = Terms(MODEL, DEFAULT_RULES, NO_DECISIONS, (), "GB", "1GB", 1)

ANN = {"first_name": "Ann", "last_name": "Marlow", "email": "home@x.org", "mobile": "07700 900123"}
BO = {"first_name": "Bo", "last_name": "Okafor", "email": "home@x.org", "postcode": "LS1 4AB"}
CLEO = {"first_name": "C", "last_name": "Marlow", "email": "home@x.org"}
STRANGER = {"first_name": "Zoe", "last_name": "Quill", "email": "zoe@x.org"}


def as_sets(verdict) -> list[set[int]]:
    return sorted({verdict.fellows(ref) for ref in verdict.groups}, key=min)


def test_a_world_comes_to_what_a_run_over_its_refs_comes_to():
    now = table(ANN, BO, CLEO, STRANGER, ANN | {"system_id": 2})
    renamed = table(ANN, BO | {"first_name": "Ann", "last_name": "Marlow"}, CLEO, STRANGER, ANN)
    kept_apart = Decisions(never=[(1, 2)])
    worlds = [World(now, NO_DECISIONS), World(renamed, NO_DECISIONS), World(renamed, kept_apart)]

    judged = judge(worlds, asked=[(1, 2), (1, 4), (2, 3)], terms=TERMS)

    for world, verdict in zip(worlds, judged.verdicts, strict=True):
        run = group(world.refs, model=MODEL, decisions=world.decisions)
        assert as_sets(verdict) == groups(run)
        links = {(link["left_id"], link["right_id"]): link for link in run.links.to_pylist()}
        for pair, weighed in verdict.pairs.items():
            if pair in links:
                said = (weighed.decision, weighed.rule, weighed.guard, weighed.evidence)
                link = links[pair]
                assert said == (link["decision"], link["rule"], link["guard"], link["evidence"])
    assert judged.verdicts[0].pairs[1, 4].weight < MODEL.review_weight  # one that no run would have kept


def test_each_criterion_of_each_rule_is_told_apart():
    judged = judge([World(table(ANN, BO), NO_DECISIONS)], asked=[(1, 2)], terms=TERMS)

    held = judged.rules[1, 2]
    assert (list(held["email"].criteria), held["email"].names_clash) == ([True], True)
    assert list(held["phone"].criteria) == [False, False, False, True]
    assert judged.uncounted[2] >= {"mobile", "any phone", "company", "address", "date of birth"}
    assert not judged.uncounted[2] & {"first name", "last name", "e-mail", "postcode"}


def test_what_no_key_finds_is_weighed_but_joins_nobody():
    one = {"first_name": "Ann", "last_name": "Lee", "date_of_birth": date(1980, 1, 2)}
    other = {"first_name": "Bo", "last_name": "Marsh", "postcode": "YO1 9ZZ"}

    [verdict] = judge([World(table(one, other), NO_DECISIONS)], asked=[(1, 2)], terms=TERMS).verdicts

    assert not verdict.pairs[1, 2].is_found
    assert not verdict.are_together(1, 2)


@pytest.mark.parametrize("is_open", [False, True])
def test_a_closed_system_is_open_in_an_open_world(is_open):
    refs = table(ANN, ANN | {"system_id": 2})
    terms = Terms(MODEL, DEFAULT_RULES, NO_DECISIONS, (2,), "GB", "1GB", 1)

    [verdict] = judge([World(refs, NO_DECISIONS, is_open)], asked=[(1, 2)], terms=terms).verdicts

    assert verdict.are_together(1, 2) is is_open


def test_many_worlds_at_once_do_not_meet():
    refs = table(ANN, BO, STRANGER)
    worlds = [World(refs, NO_DECISIONS)] * 30

    judged = judge(worlds, asked=[(1, 2), (1, 3), (2, 3)], terms=TERMS)

    assert isinstance(refs, pa.Table)
    assert [as_sets(verdict) for verdict in judged.verdicts] == [[{1}, {2}, {3}]] * 30

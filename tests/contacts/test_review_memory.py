"""What the review remembers over nights of the real engine: BEYOND 1 and 10, to the letter."""

import datetime as dt

import pytest

from contacts.models import GroupDecision, Link, Mapping, ReviewAnswer
from contacts.services.decisions import decide, lift_decision, pair_of
from contacts.services.regroup import regroup
from contacts.services.review import next_pairs, remaining
from contacts.services.review_answers import answer, take_back
from tests.factories import NOW, SystemRefFactory, TicketSystemFactory
from tests.factories.review import reviewer

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

Answer = ReviewAnswer.Answer
NIGHT = dt.timedelta(days=1)


@pytest.fixture
def systems():
    return TicketSystemFactory(rank=1), TicketSystemFactory(rank=2), TicketSystemFactory(rank=3)


@pytest.fixture
def dee(systems):
    return reviewer(*systems)


def contact_of(ref) -> int:
    return Mapping.objects.get(pk=ref.pk).contact_id


def refs_of(pair) -> tuple[set[int], set[int]]:
    left, right = pair.sides
    return set(left), set(right)


def say(pair, said, by, now) -> ReviewAnswer:
    return answer(*pair.numbers, said, key=pair.key, by=by, now=now)


def test_different_is_never_asked_again_until_a_third_member_joins_and_then_once(systems, dee):
    one, other, third = systems
    a = SystemRefFactory(
        system=one, first_name="Ann", last_name="Lee", email="ann@x.org", mobile="07700900123"
    )
    b = SystemRefFactory(system=other, first_name="Winston", last_name="Okafor", email="ann@x.org")
    regroup(now=NOW)
    [pair] = next_pairs(dee, now=NOW, count=9)
    assert refs_of(pair) == ({a.pk}, {b.pk})
    first = say(pair, Answer.DIFFERENT, dee, NOW)

    for night in range(1, 31):
        if night in (
            1,
            2,
            30,
        ):  # a run that finds nothing new writes nothing (test_regroup): three stand for all
            regroup(now=NOW + night * NIGHT, full=night == 30)
        assert next_pairs(dee, now=NOW + night * NIGHT, count=9) == []

    c = SystemRefFactory(system=third, first_name="Ann", last_name="Lee", mobile="07700900123")
    now = NOW + 31 * NIGHT
    regroup(now=now)
    assert contact_of(c) == contact_of(a) != contact_of(b)
    [again] = next_pairs(dee, now=now, count=9)
    assert refs_of(again) == ({a.pk, c.pk}, {b.pk})
    assert [(said.pk, said.by, said.at) for said in again.earlier] == [(first.pk, dee, NOW)]
    assert remaining(dee, now=now).count == 1
    second = say(again, Answer.DIFFERENT, dee, now)
    for night in range(32, 34):
        regroup(now=NOW + night * NIGHT)
        assert next_pairs(dee, now=NOW + night * NIGHT, count=9) == []
    assert GroupDecision.objects.standing().count() == 2

    take_back(second, by=dee, now=now)
    assert [refs_of(pair) for pair in next_pairs(dee, now=now, count=9)] == [refs_of(again)]


@pytest.mark.req("R-CM-22", "R-CM-23")
def test_a_rule_bars_the_way_round_too_and_the_undecided_link_is_asked_with_the_rule_named(systems, dee):
    same = {"first_name": "Ann", "last_name": "Lee", "email": "ann@x.org"}
    a, b = (SystemRefFactory(system=system, **same) for system in systems[:2])
    [rule], _lifted = decide(
        [pair_of(a.pk, b.pk)], GroupDecision.Kind.NEVER, by=dee, now=NOW, reason="Mother and daughter"
    )
    for night in range(3):
        regroup(now=NOW + night * NIGHT)
        assert contact_of(a) != contact_of(b)
        assert next_pairs(dee, now=NOW, count=9) == []

    c = SystemRefFactory(system=systems[2], **same)
    now = NOW + 3 * NIGHT
    regroup(now=now)

    assert contact_of(a) != contact_of(b)
    with_c = a if contact_of(c) == contact_of(a) else b
    without_c = b if with_c is a else a
    undecided = Link.objects.get(left=min(without_c.pk, c.pk), right=max(without_c.pk, c.pk))
    assert (undecided.decision, undecided.guard) == ("refused", "never")
    [pair] = next_pairs(dee, now=now, count=9)
    assert pair.link == undecided
    assert [(bar.pk, bar.reason, bar.author) for bar in pair.bars] == [(rule, "Mother and daughter", dee)]
    regroup(now=now, full=True)
    assert [pair.link for pair in next_pairs(dee, now=now, count=9)] == [undecided]

    lift_decision(GroupDecision.objects.get(pk=rule), by=dee, now=now)
    regroup(now=now + NIGHT)
    assert contact_of(a) == contact_of(b) == contact_of(c)
    assert next_pairs(dee, now=now, count=9) == []

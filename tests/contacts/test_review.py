"""The review queue: who is asked about what, in which order; what an answer does; what is remembered."""

import datetime as dt
from threading import Barrier, Thread

import pytest
from django.db import connection, connections

from contacts.models import GroupDecision, GroupRequest, ReviewAnswer
from contacts.permissions import SystemRight, grant
from contacts.services import review
from contacts.services.group_requests import file_ungrouping, withdraw_request
from contacts.services.group_requests_applied import apply_requests
from contacts.services.review import (
    Agreement,
    Remaining,
    Wanted,
    agreement,
    agreement_with,
    next_pairs,
    remaining,
)
from contacts.services.review_answers import (
    AnsweredSince,
    CannotAnswer,
    MayNotAnswer,
    answer,
    last_answer,
    take_back,
)
from contacts.services.review_pairs import load_pair
from kore_site.roles import SALES_REPS
from tests.factories import NOW, SystemRefFactory, TicketSystemFactory, UserFactory
from tests.factories.review import link, placed, reviewer

pytestmark = pytest.mark.django_db

Answer = ReviewAnswer.Answer
TOMORROW = NOW + dt.timedelta(days=1)


@pytest.fixture
def systems():
    return TicketSystemFactory(rank=1), TicketSystemFactory(rank=2)


@pytest.fixture
def dee(systems):
    return reviewer(*systems, username="dee", first_name="Dee", last_name="Diaz")


def asked(user, now=NOW, **more) -> list[tuple[int, int]]:
    return [pair.numbers for pair in next_pairs(user, now=now, count=50, **more)]


def say(user, one, other, said, now=NOW, **more) -> ReviewAnswer:
    pair = load_pair(one.pk, other.pk, user)
    return answer(one.pk, other.pk, said, key=pair.key, by=user, now=now, **more)


def test_pairs_of_two_contacts_are_asked_about_once_each_the_strongest_link_first(systems, dee):
    a, b, c, d, e = (placed(system) for system in (*systems, *systems, systems[0]))
    several = placed(*systems)
    weak, strong = link(a, b, 2.0), link(c, d, 7.0)
    link(a, several, 3.0)
    second = several.mappings.order_by("pk")[1].system_ref
    of_second = link(a.mappings.get().system_ref, second, 4.0)
    link(b, e, 9.0, decision="refused", guard="birth_date")
    link(d, e, 8.0, decision="joined")

    pairs = next_pairs(dee, now=NOW, count=50)

    assert [(pair.numbers, pair.link.pk) for pair in pairs] == [
        ((c.pk, d.pk), strong.pk),
        ((a.pk, several.pk), of_second.pk),
        ((a.pk, b.pk), weak.pk),
    ]
    assert remaining(dee, now=NOW) == Remaining(3)
    assert asked(dee, after=(7.0, strong.pk)) == [(a.pk, several.pk), (a.pk, b.pk)]
    assert asked(dee, after=(4.0, of_second.pk)) == [(a.pk, b.pk)]
    assert asked(dee, wanted=Wanted(system_id=systems[1].pk)) == [pair.numbers for pair in pairs]
    assert asked(dee, wanted=Wanted(rule="email")) == []


def test_a_long_queue_is_counted_so_far_only_and_remembered_as_long(systems, dee, monkeypatch):
    monkeypatch.setattr(review, "MOST_COUNTED", 1)
    link(placed(systems[0]), placed(systems[1]))
    assert remaining(dee, now=NOW) == Remaining(1)
    link(placed(systems[0]), placed(systems[1]))

    assert remaining(dee, now=NOW) == Remaining(1, is_exact=False)

    for pair in next_pairs(dee, now=NOW, count=2):
        answer(*pair.numbers, Answer.LATER, key=pair.key, by=dee, now=NOW)
    assert remaining(dee, now=NOW) == Remaining(1, is_exact=False)
    assert remaining(dee, now=NOW, wanted=Wanted(rule="")) == Remaining(0)


@pytest.mark.req("R-CM-27", "R-MDB-32")
def test_a_pair_with_a_hidden_ref_is_neither_shown_nor_counted_nor_answered(systems, dee):
    a, b = placed(systems[0]), placed(systems[1])
    link(a, b)
    hides = placed(systems[0], TicketSystemFactory())
    link(a, hides, 9.0)
    rep = UserFactory(role=SALES_REPS)
    for system in systems:
        grant(rep, SystemRight.VIEW, on=system)

    assert (asked(dee), remaining(dee, now=NOW)) == ([(a.pk, b.pk)], Remaining(1))
    assert (asked(rep), remaining(rep, now=NOW)) == ([], Remaining(0))
    for user, other in ((dee, hides), (rep, b)):
        with pytest.raises(MayNotAnswer, match="With your rights this cannot be asked for"):
            answer(a.pk, other.pk, Answer.SAME, key="", by=user, now=NOW)
    assert ReviewAnswer.objects.count() == GroupRequest.objects.count() == 0


@pytest.mark.req("R-CM-7", "R-CM-14")
def test_same_asks_the_night_to_group_and_the_pair_waits_until_it_is_withdrawn(systems, dee):
    a, b = placed(systems[0]), placed(systems[1])
    link(a, b)

    said = say(dee, b, a, Answer.SAME)

    assert (said.request.group_id, said.request.kind, said.request.state) == (a.pk, "group", "waiting")
    assert asked(dee) == []
    with pytest.raises(AnsweredSince, match="Dee Diaz answered already: they are the same person"):
        say(dee, a, b, Answer.DIFFERENT)
    withdraw_request(said.request, by=dee, now=NOW)
    assert asked(dee) == [(a.pk, b.pk)]
    again = say(dee, a, b, Answer.SAME, now=TOMORROW)
    apply_requests(now=TOMORROW)
    assert list(ReviewAnswer.objects.standing()) == [again]
    assert b.pk not in {mapping.contact_id for mapping in a.mappings.all()}
    assert a.mappings.count() == 2
    with pytest.raises(CannotAnswer, match="is done: the contacts are one"):
        take_back(again, by=dee, now=TOMORROW)


def test_where_the_grouping_is_refused_that_is_said_and_nothing_is_answered(systems, dee):
    a, b, c = placed(systems[0]), placed(systems[1]), placed(*systems)
    link(a, b)
    file_ungrouping(c, by=dee, now=NOW)
    link(b, c)
    assert asked(dee) == [(a.pk, b.pk)]

    with pytest.raises(CannotAnswer, match="is waiting on one of these records"):
        say(dee, b, c, Answer.SAME)
    with pytest.raises(CannotAnswer, match="changed since you looked"):
        answer(a.pk, b.pk, Answer.SAME, key="as it was", by=dee, now=NOW)
    with pytest.raises(CannotAnswer, match="not two contacts any more"):
        answer(a.pk, 999_999, Answer.SAME, key="", by=dee, now=NOW)

    assert ReviewAnswer.objects.count() == 0


def test_different_keeps_every_ref_of_one_side_from_every_ref_of_the_other(systems, dee):
    a, b = placed(*systems), placed(systems[1])
    link(a, b)

    said = say(dee, a, b, Answer.DIFFERENT)

    rules = GroupDecision.objects.standing()
    between = {(mapping.pk, b.mappings.get().pk) for mapping in a.mappings.all()}
    assert {(rule.left_id, rule.right_id) for rule in rules} == between
    assert {(rule.kind, rule.author, rule.since) for rule in rules} == {("never", dee, NOW)}
    assert asked(dee) == []
    with pytest.raises(CannotAnswer, match="answered already: they are different people"):
        say(dee, a, b, Answer.SAME)
    take_back(said, by=dee, now=TOMORROW)
    assert GroupDecision.objects.standing().count() == 0
    assert asked(dee) == [(a.pk, b.pk)]
    with pytest.raises(CannotAnswer, match="undone already"):
        take_back(said, by=dee, now=TOMORROW)


def test_later_asks_again_in_the_morning_and_may_be_answered_before_by_who_saw_it(systems, dee):
    a, b = placed(systems[0]), placed(systems[1])
    link(a, b)

    later = say(dee, a, b, Answer.LATER)

    assert later.asks_again_at == dt.datetime(2026, 3, 3, 6, tzinfo=dt.UTC)
    assert (asked(dee), asked(dee, now=later.asks_again_at)) == ([], [(a.pk, b.pk)])
    with pytest.raises(AnsweredSince):
        say(dee, a, b, Answer.DIFFERENT)
    assert last_answer(dee, now=NOW) == later
    different = say(dee, a, b, Answer.DIFFERENT, replaces=later.pk)
    assert list(ReviewAnswer.objects.standing()) == [different]
    assert last_answer(dee, now=NOW) == different
    assert last_answer(dee, now=TOMORROW) is None


def test_agreement_is_counted_by_rule_over_the_answers_that_one_may_see(systems, dee):
    for rule, said in (("email", "same"), ("email", "same"), ("email", "different"), ("", "later")):
        a, b = placed(systems[0]), placed(systems[1])
        link(a, b, rule=rule)
        say(dee, a, b, Answer(said))

    assert agreement(dee) == [Agreement("email", 2, 1, 0), Agreement("", 0, 0, 1)]
    assert [one.percent for one in agreement(dee)] == [67, None]
    assert agreement_with("email", dee) == Agreement("email", 2, 1, 0)
    assert agreement(reviewer(systems[0])) == []


def test_the_queue_costs_the_same_queries_however_many_pairs_there_are(
    systems, dee, django_assert_num_queries
):
    for _ in range(2):
        for number in range(2):
            link(placed(systems[0]), placed(systems[1]), 3.0 + number)
        user = type(dee).objects.get(pk=dee.pk)
        with django_assert_num_queries(10):
            next_pairs(user, now=NOW, count=9)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_of_two_reviewers_at_once_the_second_is_told_and_nothing_is_done_twice(systems, dee):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite lets one write at a time")
    a, b = placed(systems[0]), placed(systems[1])
    link(a, b)
    key = load_pair(a.pk, b.pk, dee).key
    together, said = Barrier(2), []

    def answer_at_once(user, what):
        together.wait()
        try:
            said.append(answer(a.pk, b.pk, what, key=key, by=user, now=NOW).answer)
        except AnsweredSince as second:
            said.append(type(second))
        finally:
            connections.close_all()

    threads = [
        Thread(target=answer_at_once, args=(user, what))
        for user, what in ((dee, Answer.SAME), (reviewer(*systems), Answer.DIFFERENT))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert AnsweredSince in said
    assert len(said) == 2
    done = (GroupRequest.objects.count(), GroupDecision.objects.count())
    assert done == ((1, 0) if Answer.SAME in said else (0, 1))
    assert ReviewAnswer.objects.count() == 1


@pytest.mark.postgres
def test_the_next_pair_is_read_from_the_index_of_the_queue(systems, dee):
    if connection.vendor != "postgresql":
        pytest.skip("asks PostgreSQL for its plan")
    SystemRefFactory()
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
    plan = review.queue_of(dee, now=NOW)[:20].explain()

    assert "link_for_review" in plan
    assert "Sort" not in plan

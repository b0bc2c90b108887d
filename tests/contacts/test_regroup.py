"""A grouping run with the real engine: who is one person, written once and explained."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contacts.exclusive import AlreadyRunning, exclusive
from contacts.grouping.engine import group
from contacts.grouping.model import Model
from contacts.grouping.records import Decisions
from contacts.models import (
    BadKey,
    Contact,
    GroupDecision,
    GroupingRun,
    Link,
    Mapping,
    ModelVersion,
    Move,
    Organisation,
    SystemRef,
    TermFrequency,
)
from contacts.services.golden import refresh_golden
from contacts.services.grouping_input import read_input
from contacts.services.grouping_model import active_version, is_due, load_model, prune_models, store_model
from contacts.services.regroup import GROUPING, regroup
from tests.contacts.test_group_writes import broken, mapping, replayed
from tests.factories import NOW, SystemRefFactory, TicketSystemFactory

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

WRITES = ("INSERT", "UPDATE", "DELETE", "COPY")


@pytest.fixture
def two_systems():
    return TicketSystemFactory(rank=10), TicketSystemFactory(rank=20)


def ann(system, **more):
    return SystemRefFactory(
        system=system, **{"first_name": "Ann", "last_name": "Lee", "email": "ann@x.org", **more}
    )


def groups() -> set[frozenset[int]]:
    members: dict[int, set[int]] = {}
    for ref, (contact, _primary) in mapping().items():
        members.setdefault(contact, set()).add(ref)
    return {frozenset(refs) for refs in members.values()}


@pytest.mark.req("R-MDB-2", "R-MDB-4", "R-MDB-5", "R-CM-1", "R-CM-2", "R-CM-3", "R-CM-5", "R-CM-6", "D-3")
def test_one_person_in_two_systems_becomes_one_contact_and_others_stay_apart(two_systems):
    first, second = two_systems
    one = ann(first, system_ref="1")
    same = ann(second, system_ref="1")
    other = SystemRefFactory(system=first, first_name="Bo", last_name="Okafor", email="bo@x.org")
    nameless = SystemRefFactory(system=second, system_ref="2")

    regrouped = regroup(now=NOW)

    assert groups() == {
        frozenset({one.pk, same.pk}),
        frozenset({other.pk}),
        frozenset({nameless.pk}),
    }
    assert (regrouped.refs, regrouped.contacts, regrouped.joined, regrouped.split) == (4, 3, 1, 0)
    golden = Contact.objects.get(mappings=one.pk)
    assert (golden.first_name, golden.email, golden.since) == ("Ann", "ann@x.org", NOW)
    assert broken() == []


@pytest.mark.req("R-CM-39")
def test_a_run_that_finds_nothing_new_writes_only_its_own_record(two_systems):
    ann(two_systems[0])
    ann(two_systems[1])
    regroup(now=NOW)

    with CaptureQueriesContext(connection) as queries:
        regroup(now=NOW)

    written = [q["sql"] for q in queries if q["sql"].startswith(WRITES) and "TO STDOUT" not in q["sql"]]
    assert len(written) == 2
    assert all("contacts_groupingrun" in sql for sql in written)


def test_a_dry_run_counts_the_same_and_writes_nothing(two_systems):
    ann(two_systems[0])
    ann(two_systems[1])

    foretold = regroup(now=NOW, dry_run=True)

    stands = (ModelVersion.objects.count(), GroupingRun.objects.count(), Mapping.objects.count())
    done = regroup(now=NOW)
    assert stands == (0, 0, 0)
    assert (foretold.refs, foretold.contacts, foretold.joined, foretold.split, foretold.held) == (
        done.refs,
        done.contacts,
        done.joined,
        done.split,
        done.held,
    )


def test_only_one_run_at_a_time(two_systems):
    ann(two_systems[0])
    with exclusive(GROUPING), pytest.raises(AlreadyRunning, match="Grouping is running already"):
        regroup(now=NOW)


@pytest.mark.req("C-13")
def test_a_system_that_is_not_matched_across_keeps_its_people_to_itself():
    apart, open_one = TicketSystemFactory(is_matched_across=False), TicketSystemFactory()
    inside, twin, outside = ann(apart), ann(apart), ann(open_one)

    regroup(now=NOW)

    assert groups() == {frozenset({inside.pk, twin.pk}), frozenset({outside.pk})}
    assert broken() == []


@pytest.mark.req("C-5")
def test_a_shared_e_mail_under_different_names_waits_for_a_person(two_systems):
    one = ann(two_systems[0])
    other = SystemRefFactory(
        system=two_systems[1], first_name="Winston", last_name="Okafor", email="ann@x.org"
    )

    regrouped = regroup(now=NOW)

    link = Link.objects.get()
    assert groups() == {frozenset({one.pk}), frozenset({other.pk})}
    assert (regrouped.held, link.decision, link.guard) == (1, "review", "names")


@pytest.mark.req("D-15")
def test_links_are_written_as_a_difference_and_carry_their_model(two_systems):
    one, same = ann(two_systems[0]), ann(two_systems[1])
    regroup(now=NOW)
    kept = Link.objects.get()
    SystemRef.objects.filter(pk=same.pk).update(first_name="Anne")
    newcomer = ann(two_systems[0])

    regroup(now=NOW)

    pairs = {(link.left_id, link.right_id): link for link in Link.objects.all()}
    changed = pairs[one.pk, same.pk]
    assert changed.pk == kept.pk
    assert changed.evidence != kept.evidence
    assert {link.model_version_id for link in pairs.values()} == {active_version().pk}
    SystemRef.objects.filter(pk=newcomer.pk).update(first_name="Zoltan", last_name="Nagy", email="")
    regroup(now=NOW)
    assert set(Link.objects.values_list("left_id", "right_id")) == {(one.pk, same.pk)}


@pytest.mark.req("D-6")
def test_a_decision_holds_through_every_run_until_it_is_lifted(two_systems):
    one, same = ann(two_systems[0]), ann(two_systems[1])
    regroup(now=NOW)
    (number,) = Contact.objects.values_list("pk", flat=True)
    decision = GroupDecision.objects.create(
        kind=GroupDecision.Kind.NEVER, left=one, right=same, since=NOW - dt.timedelta(days=1)
    )

    apart = [regroup(now=NOW).contacts for _night in range(2)]
    decision.until = NOW
    decision.save()
    together = regroup(now=NOW)

    assert apart == [2, 2]
    assert (together.contacts, mapping()[one.pk][0], mapping()[same.pk][0]) == (1, number, number)
    assert list(Move.objects.filter(system_ref=same).order_by("pk").values_list("cause", flat=True)) == [
        "placed",
        "decision",
        "joined",
    ]


@pytest.mark.req("D-14")
def test_the_model_is_stored_without_its_key_and_read_back_as_it_was(two_systems):
    for n in range(6):
        ann(two_systems[0], system_ref=f"n{n}")
    regroup(now=NOW)

    version = active_version()
    model = load_model(version)
    assert "hash_key" not in version.settings
    assert model.hash_key.hex() not in str(version.settings)
    assert model.frequencies.num_rows == TermFrequency.objects.count() > 0
    assert (model.population, model.version) == (6, 1)
    assert not TermFrequency.objects.filter(term_hash__icontains="ann").exists()


@pytest.mark.parametrize(("refs", "due"), [(4, False), (8, False), (9, True), (2, False), (1, True)])
def test_a_model_serves_until_there_are_twice_or_half_as_many_refs(refs, due):
    store_model(Model.preset(4, hash_key=b"key"), now=NOW)

    assert is_due(refs) is due


def test_a_model_frozen_under_another_secret_is_replaced(two_systems, settings):
    ann(two_systems[0])
    regroup(now=NOW)

    settings.SECRET_KEY = "another secret"

    assert active_version() is None
    regroup(now=NOW)
    assert active_version().number == 2


def test_old_versions_keep_their_row_where_a_run_names_them_but_not_what_they_learnt(two_systems):
    ann(two_systems[0])
    ann(two_systems[1])
    regroup(now=NOW)
    for n in range(6):
        ann(two_systems[0], system_ref=f"n{n}")
    ModelVersion.objects.create(number=99, population=1, settings={}, created_at=NOW)
    regroup(now=NOW)

    dropped = prune_models()

    assert (dropped, list(ModelVersion.objects.order_by("number").values_list("number", flat=True))) == (
        1,
        [1, 100],
    )
    assert set(TermFrequency.objects.values_list("model_version__number", flat=True)) <= {100}
    assert set(BadKey.objects.values_list("model_version__number", flat=True)) <= {100}


FIRST_NAMES, LAST_NAMES, MAILS = ("Ann", "Annie", "Bo"), ("Lee", "Okafor"), ("ann@x.org", "bo@y.org", "")
people = st.tuples(st.sampled_from(FIRST_NAMES), st.sampled_from(LAST_NAMES), st.sampled_from(MAILS))
deeds = st.lists(
    st.one_of(
        st.tuples(st.just("arrive"), people),
        st.tuples(st.just("edit"), st.integers(0, 5), people),
        st.tuples(st.sampled_from(["must", "never"]), st.integers(0, 5), st.integers(0, 5)),
        st.tuples(st.just("lift")),
    ),
    min_size=1,
    max_size=4,
)


@pytest.mark.req("R-CM-39", "D-6")
@settings(
    max_examples=4,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(start=st.lists(people, min_size=2, max_size=4), rounds=st.lists(deeds, min_size=1, max_size=2))
def test_the_mapping_is_the_engines_own_partition_after_any_history(start, rounds):
    # The examples follow one another in one database: what came before is part of the history.
    Organisation.load()
    Organisation.objects.update(brake_size=10_000)  # a few names make large groups, which are not the point
    system = TicketSystemFactory()
    for person in start:
        arrive(system, person)
    regroup(now=NOW)
    for round_ in rounds:
        for deed in round_:
            do(system, *deed)

        regroup(now=NOW)

        assert groups() == engines_own_groups()
        assert replayed() == mapping()
        assert broken() == []


def arrive(system, person):
    first, last, email = person
    SystemRefFactory(system=system, first_name=first, last_name=last, email=email)


def do(system, deed, *what):
    refs = list(SystemRef.objects.order_by("pk"))
    if deed == "arrive":
        arrive(system, *what)
    elif deed == "edit":
        first, last, email = what[1]
        ref = refs[what[0] % len(refs)].pk
        SystemRef.objects.filter(pk=ref).update(first_name=first, last_name=last, email=email)
        refresh_golden(Mapping.objects.filter(pk=ref).values_list("contact", flat=True), now=NOW)
    elif deed == "lift":
        GroupDecision.objects.standing().update(until=NOW)
    else:
        left, right = sorted((refs[what[0] % len(refs)].pk, refs[what[1] % len(refs)].pk))
        if left != right:
            GroupDecision.objects.standing().filter(left=left, right=right).update(until=NOW)
            GroupDecision.objects.create(
                kind=deed, left_id=left, right_id=right, since=NOW - dt.timedelta(days=1)
            )


def engines_own_groups() -> set[frozenset[int]]:
    given_now = read_input()
    found = group(
        given_now.refs,
        model=load_model(active_version()),
        decisions=Decisions(must=given_now.decisions.must, never=given_now.decisions.never),
        default_country=given_now.default_country,
    ).partition
    members: dict[int, set[int]] = {}
    for ref, label in zip(found["ref_id"].to_pylist(), found["group_id"].to_pylist(), strict=True):
        members.setdefault(label, set()).add(ref)
    return {frozenset(refs) for refs in members.values()}

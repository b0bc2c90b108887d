"""Why two Contacts are not one: the named condition is the one, and what is said would join them does."""

import datetime as dt

import pytest
from django.db import transaction

from contacts.models import Contact, GroupDecision, SystemRef
from contacts.permissions import SystemRight, grant
from contacts.services.regroup import regroup
from contacts.services.why_not import CannotCompare, Reason, why_not
from tests.factories import NOW, SystemRefFactory, TicketSystemFactory, UserFactory

pytestmark = [pytest.mark.django_db]

ANN = {
    "first_name": "Ann",
    "last_name": "Marlow",
    "email": "home@marlow.org",
    "mobile": "07700 900123",
    "phone": "0113 496 0101",
    "address1": "12 Quay Street",
    "city": "Leeds",
    "postcode": "LS1 4AB",
}
# What each pair is like: the two refs, and what keeps them apart.
XENIA = {
    "first_name": "Xenia",
    "last_name": "Quill",
    "phone": "0113 496 0202",
    "address1": "3 Mill Lane",
    "city": "York",
    "postcode": "YO1 7EF",
}
KARL = {"first_name": "Karl", "last_name": "Berg", "email": "karl@berg.org"}
PAIRS = {
    "one e-mail, two people": (
        ANN,
        {"first_name": "Bo", "last_name": "Okafor", "email": ANN["email"]},
        Reason.NAMES,
    ),
    "one household": (XENIA, {**XENIA, "first_name": "Theo"}, Reason.HOUSEHOLD),
    "one name, nothing else": (
        {"first_name": "Ravi", "last_name": "Patel", "mobile": "07700 900555", "city": "Hull"},
        {"first_name": "Ravi", "last_name": "Patel", "email": "ravi@patel.org", "city": "York"},
        Reason.TOO_LITTLE,
    ),
    "father and son": (
        {**KARL, "date_of_birth": dt.date(1950, 4, 1)},
        {**KARL, "date_of_birth": dt.date(1984, 9, 17)},
        Reason.BIRTH_DATE,
    ),
    "an initial that fits two": (
        {"first_name": "D", "last_name": "Novak", "email": "office@novak.org"},
        {"first_name": "Dana", "last_name": "Novak", "email": "office@novak.org"},
        Reason.NAMES,
    ),
}


@pytest.fixture
def manager(db):
    return UserFactory(is_superuser=True)


@pytest.fixture
def systems(db):
    return TicketSystemFactory(code="MLB", rank=1), TicketSystemFactory(code="MIN", rank=2)


def contact_of(ref: SystemRef) -> Contact:
    return Contact.objects.get(mappings__system_ref=ref)


def placed(systems, pairs) -> dict[str, tuple[SystemRef, SystemRef]]:
    """The refs of each pair, one in either system, after a night; with others enough that chance counts."""
    refs = {
        name: tuple(SystemRefFactory(system=s, **values) for s, values in zip(systems, pair[:2], strict=True))
        for name, pair in pairs.items()
    }
    SystemRefFactory(system=systems[0], first_name="Dirk", last_name="Novak", email="office@novak.org")
    regroup(now=NOW)
    return refs


def asked(one: SystemRef, other: SystemRef, user):
    return why_not(contact_of(one), contact_of(other), user=user)


@pytest.mark.req("R-CM-6", "C-5")
def test_the_named_condition_is_the_one_and_what_would_join_them_does(systems, manager):
    refs = placed(systems, PAIRS)
    answers = {name: asked(*pair, manager) for name, pair in refs.items()}

    assert {name: answer.reason for name, answer in answers.items()} == {
        name: pair[2] for name, pair in PAIRS.items()
    }
    for answer in answers.values():
        said, kept = answer.pairs[0].link, answer.last_night
        if kept:  # compared anew, an unchanged pair says what the night wrote
            assert (said.decision, said.rule, said.guard, said.evidence) == (
                kept.decision, kept.rule, kept.guard, kept.evidence,
            )  # fmt: skip
        assert all(way.rule is None or way.rule.title for way in answer.ways)
    assert all(answer.ways for answer in answers.values())

    for turn in range(max(len(answer.ways) for answer in answers.values())):
        at_once = {name: answer.ways[turn] for name, answer in answers.items() if turn < len(answer.ways)}
        with transaction.atomic():
            for way in at_once.values():
                for ref_id, column, value in way.edit.values:
                    SystemRef.objects.filter(pk=ref_id).update(**{column: value})
            regroup(now=NOW)
            joined = {name: contact_of(refs[name][0]) == contact_of(refs[name][1]) for name in at_once}
            transaction.set_rollback(True)
        assert joined == dict.fromkeys(at_once, True)


def test_each_rule_says_which_condition_holds_and_which_fails_with_both_values(systems, manager):
    refs = placed(systems, {"one": PAIRS["one e-mail, two people"], "two": PAIRS["an initial that fits two"]})

    [pair] = asked(*refs["one"], manager).pairs
    said = {
        rule.number: [(c.words, c.left, c.right, c.is_met, c.note) for c in rule.conditions]
        for rule in pair.rules
    }

    assert said[1] == [
        ("e-mail the same", "home@marlow.org", "home@marlow.org", True, ""),
        ("the names agree", "Ann Marlow", "Bo Okafor", False, ""),
    ]
    assert said[3][1] == ("business phone the same", "0113 496 0101", "", False, "one is blank")
    assert pair.nearest.title == "Same e-mail"
    doubtful = asked(*refs["two"], manager).pairs[0].nearest
    assert doubtful.failing[0].note.startswith("an initial or a blank name")


@pytest.mark.req("D-6")
def test_a_do_not_group_rule_is_named_with_its_author_and_what_else_is_lacking(systems, manager):
    refs = placed(systems, {"same": (ANN, ANN)})["same"]
    assert contact_of(refs[0]) == contact_of(refs[1])
    left, right = sorted(refs, key=lambda ref: ref.pk)
    decision = GroupDecision.objects.create(
        kind="never", left=left, right=right, author=manager, reason="twins", since=NOW
    )
    regroup(now=NOW)

    answer = asked(*refs, manager)

    assert (answer.reason, answer.decisions, answer.ways) == (Reason.DECISION, [decision], [])
    assert (answer.pairs[0].link.decision, answer.last_night.guard) == ("joined", "never")
    decision.delete()
    assert asked(*refs, manager).reason == Reason.PENDING
    regroup(now=NOW, full=True)
    assert contact_of(refs[0]) == contact_of(refs[1])


@pytest.mark.req("C-13")
def test_a_system_kept_out_of_matching_is_named(manager):
    shut = TicketSystemFactory(code="SHOP", is_matched_across=False)
    refs = placed((TicketSystemFactory(), shut), {"same": (ANN, ANN)})["same"]

    answer = asked(*refs, manager)

    assert (answer.reason, answer.closed) == (Reason.CLOSED, ["SHOP"])


@pytest.mark.req("R-MDB-34")
def test_what_is_hidden_changes_no_word(systems, manager):
    open_, hidden = systems
    rep = UserFactory()
    grant(rep, SystemRight.VIEW, on=open_)
    one = SystemRefFactory(system=open_, **ANN)
    other = SystemRefFactory(system=open_, first_name="Bo", last_name="Okafor", email=ANN["email"])
    regroup(now=NOW)

    def words() -> str:
        answer = asked(one, other, UserFactory._meta.model.objects.get(pk=rep.pk))
        return repr(
            (answer.reason, answer.ways, answer.decisions, answer.requests, answer.last_night)
        ) + repr(
            [(pair.rules, pair.link.decision, pair.link.guard, pair.link.evidence) for pair in answer.pairs]
        )

    before = words()
    unseen = SystemRefFactory(
        system=hidden, first_name="Amy", last_name="Marlow", phone=ANN["phone"], email=ANN["email"]
    )
    GroupDecision.objects.create(kind="never", left=one, right=unseen, author=manager, since=NOW)
    GroupDecision.objects.create(kind="must", left=other, right=unseen, author=manager, since=NOW)
    regroup(now=NOW)

    assert contact_of(other) == contact_of(unseen) != contact_of(one)
    assert words() == before


def test_a_contact_and_itself_are_not_compared_and_neither_is_anything_before_a_run(systems, manager):
    refs = placed(systems, {"same": (ANN, ANN)})["same"]

    with pytest.raises(CannotCompare, match="the same Contact"):
        asked(*refs, manager)


def test_it_asks_as_many_queries_for_many_refs_as_for_few(systems, manager, django_assert_max_num_queries):
    refs = placed(systems, {"one": PAIRS["one e-mail, two people"]})["one"]
    for number in range(3):
        SystemRefFactory(system=systems[0], **ANN, system_ref=f"more{number}")
    regroup(now=NOW)
    left, right = contact_of(refs[0]), contact_of(refs[1])

    with django_assert_max_num_queries(20):
        answer = why_not(left, right, user=manager)

    assert (len(answer.left), len(answer.right), len(answer.pairs)) == (4, 1, 3)

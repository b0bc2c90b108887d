"""Why together: rules in words, evidence as waterfalls, paths over visible refs alone."""

import json

import pyarrow as pa
import pytest
from django.urls import reverse

from contacts.grouping.comparisons import COMPARISONS
from contacts.grouping.engine import group
from contacts.grouping.model import Model
from contacts.grouping.records import REF_SCHEMA
from contacts.models import Contact, GroupDecision, Link, ModelVersion, SystemRef
from contacts.services.matching_rules import newest_version, save_rules
from contacts.services.regroup import regroup

from ...factories import NOW, SystemRefFactory, UserFactory
from .conftest import refs_of, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def version():
    settings = json.loads(Model.preset(100_000).to_json())
    del settings["hash_key"]
    return ModelVersion.objects.create(
        number=1, is_active=True, population=100_000, settings=settings, created_at=NOW
    )


@pytest.fixture
def link(version):
    """Makes a link between two refs; each comparison not named is not known."""

    def make(a: int, b: int, weight: float = 20.0, decision="joined", rule="", guard="", **levels) -> Link:
        evidence = [
            [levels.get(c.key, -1), 2.0 if c.key in levels else 0, 1.0 if c.key in levels else 0]
            for c in COMPARISONS
        ]
        left, right = sorted((a, b))
        return Link.objects.create(
            left_id=left, right_id=right, decision=decision, rule=rule, guard=guard,
            weight=weight, household=weight / 2, evidence=json.dumps(evidence), model_version=version,
        )  # fmt: skip

    return make


def why(client, contact, **asked) -> dict:
    address = reverse("admin:contacts_contact_change", args=[contact.pk])
    response = client.get(address, {"panel": "why", **asked})
    assert response.status_code == 200
    return {**response.context["content_of_panel"], "text": text_of(response)}


def pairs(content) -> list[tuple[int, int]]:
    return [(shown.left.pk, shown.right.pk) for shown in content["links"]]


def test_a_rule_is_named_in_its_sentence_and_the_score_in_two_waterfalls(as_admin, person, mlb, minors, link):
    contact = person((mlb, {"first_name": "Ann"}), (minors, {"first_name": "Anne"}), (minors, {}))
    a, b, c = refs_of(contact)
    link(a, b, rule="email", email=4, first=2)
    link(b, c, weight=9.0, first=5, last=3)

    content = why(as_admin, contact)

    by_score, by_rule = content["links"]
    assert by_rule.sentence == "The e-mail is the same and the names agree."
    assert by_score.sentence.startswith("Taken together")
    assert [line.label for line in by_score.lines] == ["Before looking", "First name", "Last name"]
    start, first, last = (line.stranger for line in by_score.lines)
    assert (round(first.total - start.total, 3), round(last.total - first.total, 3)) == (2.0, 2.0)
    assert (by_score.stranger.needed, by_score.housemate.needed) == (6.0, 0.0)


def test_the_weakest_link_is_the_one_whose_loss_would_split_the_contact(as_admin, person, mlb, link):
    contact = person(*((mlb, {}) for _ in range(4)))
    a, b, c, d = refs_of(contact)
    link(a, b, weight=7), link(b, c, weight=8), link(a, c, weight=9)  # a triangle holds without any one line
    link(c, d, weight=12)

    content = why(as_admin, contact)

    assert [
        pair for pair, shown in zip(pairs(content), content["links"], strict=True) if shown.is_weakest
    ] == [(c, d)]
    assert content["weakest"] == (c, d)


def test_two_chosen_refs_are_joined_by_the_path_through_third_records(as_admin, person, mlb, link):
    contact = person(*((mlb, {}) for _ in range(4)))
    a, b, c, d = refs_of(contact)
    link(a, b), link(b, c), link(c, d)

    content = why(as_admin, contact, **{"from": str(d), "to": str(b)})

    assert pairs(content) == [(c, d), (b, c)]
    assert [ref.pk for ref in content["asked"]["steps"]] == [d, c, b]


@pytest.mark.parametrize("asked", ["x", "-1", "9" * 30, "0"])
def test_nonsense_in_the_address_is_as_if_nothing_were_chosen(as_admin, person, mlb, link, asked):
    contact = person((mlb, {}), (mlb, {}))
    link(*refs_of(contact))

    assert len(why(as_admin, contact, **{"from": asked, "to": asked})["links"]) == 1


def test_a_persons_decision_is_drawn_double_and_named(as_admin, person, mlb, link):
    contact = person((mlb, {}), (mlb, {}))
    a, b = refs_of(contact)
    author = UserFactory(first_name="Jo", last_name="Diaz")
    GroupDecision.objects.create(
        kind="must", left_id=a, right_id=b, author=author, reason="Same passport", since=NOW
    )

    content = why(as_admin, contact)

    assert content["links"][0].sentence == "Jo Diaz said that they belong together. “Same passport”"
    assert content["drawing"]["lines"][0]["is_decided"]


@pytest.mark.req("R-MDB-33", "R-MDB-34")
def test_refs_joined_only_through_hidden_ones_get_no_explanation_and_no_hint(
    as_rep, person, mlb, minors, link
):
    contact = person((mlb, {"system_ref": "A"}), (mlb, {"system_ref": "B"}), (minors, {}))
    a, b, hidden = refs_of(contact)
    without = why(as_rep, contact)
    link(a, hidden), link(b, hidden)
    link(a, b, weight=1.0, decision="refused", guard="birth_date")

    content = why(as_rep, contact)

    assert content["drawing"] is None
    assert (content["links"], content["doubts"], content["choices"]) == ([], [], [])
    assert content["text"] == without["text"]


@pytest.mark.req("R-MDB-34")
def test_only_lines_between_visible_refs_are_drawn_and_walked(as_rep, person, mlb, minors, link):
    contact = person((mlb, {}), (mlb, {}), (mlb, {}), (minors, {"system_ref": "HIDDEN"}))
    a, b, c, hidden = refs_of(contact)
    link(a, b), link(a, hidden, weight=40), link(c, hidden, weight=40)

    content = why(as_rep, contact, **{"from": str(a), "to": str(c)})

    assert [dot["ref"].pk for dot in content["drawing"]["dots"]] == [a, b]
    assert content["asked"]["path"] == []
    assert "HIDDEN" not in content["text"]


def test_pairs_that_were_not_enough_are_told_in_words_with_the_other_contact(as_admin, person, mlb, link):
    contact, other = person((mlb, {}), (mlb, {})), person((mlb, {}))
    (a, b), [c] = refs_of(contact), refs_of(other)
    link(a, b)
    link(a, c, weight=3.0, decision="review", first=5)
    link(b, c, weight=11.0, decision="refused", guard="birth_date")

    doubts = why(as_admin, contact)["doubts"]

    assert [(doubt["contact_id"], doubt["is_refused"], doubt["words"]) for doubt in doubts] == [
        (other.pk, True, "The dates of birth speak against it."),
        (other.pk, False, "They share something, but less than it takes to call them one person."),
    ]


@pytest.mark.req("R-MDB-34")
def test_pairs_with_a_hidden_ref_are_not_told(as_rep, person, mlb, minors, link):
    contact, other = person((mlb, {})), person((minors, {}))
    link(refs_of(contact)[0], refs_of(other)[0], weight=3.0, decision="review", first=5)

    assert why(as_rep, contact)["doubts"] == []


@pytest.mark.slow
def test_why_together_explains_what_the_engine_decided(as_admin, person, mlb, minors, version):
    """The panel reads what a real run stores: no mock of the engine."""
    same = {"first_name": "Ann", "last_name": "Marlow", "email": "ann@example.org", "mobile": "07700 900123"}
    contact = person((mlb, same), (minors, {**same, "first_name": "Annie"}))
    columns = [name for name in REF_SCHEMA.names if name not in ("ref_id", "system_id")]
    rows = [{"ref_id": row.pop("pk"), **row} for row in SystemRef.objects.values("pk", "system_id", *columns)]
    grouping = group(pa.Table.from_pylist(rows, schema=REF_SCHEMA), model=Model.preset(100_000))
    for row in grouping.links.to_pylist():
        row = {name: value if value is not None else "" for name, value in row.items()}
        Link.objects.create(model_version=version, **row)

    [explained] = why(as_admin, contact)["links"]

    assert explained.sentence == "The e-mail is the same and the names agree."
    assert {line.label for line in explained.lines} >= {"First name", "Last name", "E-mail", "Mobile"}
    [stored] = Link.objects.all()
    assert abs(explained.stranger.total - stored.weight) < 0.01
    assert abs(explained.housemate.total - stored.household) < 0.01


def test_a_rule_of_the_managers_own_is_named_in_its_words_and_their_thresholds_are_drawn(
    as_admin, person, mlb, link
):
    city = {"field": "city", "comparator": "normalised", "threshold": 0.88, "blank_is_no_objection": False}
    own = {"title": "Same city", "criteria": [city], "names_must_agree": False, "is_active": True}
    save_rules(
        [own], {"is_active": True, "join_weight": 9.5}, based_on=1, by=UserFactory(is_superuser=True), now=NOW
    )
    contact = person((mlb, {}), (mlb, {}), (mlb, {}), (mlb, {}))
    a, b, c, d = refs_of(contact)
    (
        link(a, b, weight=10, rule="same_city"),
        link(b, c, weight=12, rule="gone"),
        link(c, d, weight=14, first=2),
    )

    named, gone, scored = why(as_admin, contact)["links"]

    assert named.sentence == "The city is the same."
    assert gone.sentence == "The rule “gone” holds."
    assert (scored.stranger.needed, scored.housemate.needed) == (9.5, 0.0)


@pytest.mark.req("D-15")
def test_a_link_is_told_in_the_words_of_the_rules_that_made_it_until_a_night_has_grouped_by_others(
    as_admin, mlb, minors
):
    home = {"last_name": "Marlow", "address1": "12 Quay Street", "postcode": "LS1 4AB"}
    SystemRefFactory(system=mlb, first_name="Ann", email="ann@example.org", **home)
    SystemRefFactory(system=minors, first_name="Ann", email="a.marlow@example.com", **home)
    regroup(now=NOW)
    contact = Contact.objects.get()
    made_with = why(as_admin, contact)["links"][0].sentence
    rules = newest_version().rules
    [address] = [rule for rule in rules if rule["name"] == "address"]
    address["criteria"] = [
        {**one, "comparator": "normalised"} for one in address["criteria"] if one["field"] != "company"
    ]
    score = {"is_active": True, "join_weight": 9.5}
    save_rules(rules, score, based_on=1, by=UserFactory(is_superuser=True), now=NOW)

    saved = why(as_admin, contact)["links"][0]
    regroup(now=NOW)
    grouped = why(as_admin, contact)["links"][0]

    alike = "The last name is the same; first name, company, address and postcode are alike."
    assert (made_with, saved.sentence, saved.stranger.needed) == (alike, alike, 6.0)
    assert grouped.sentence == "The last name, the first name, the address and the postcode are the same."
    assert grouped.stranger.needed == 9.5

"""The review queue on the screen: who may, what is shown, forged posts, bulk, answers, agreement."""

import pytest
from django.urls import reverse

from contacts.models import GroupDecision, GroupRequest, ReviewAnswer
from contacts.permissions import SystemRight, grant
from contacts.services.group_requests import file_ungrouping
from contacts.services.review_memory import note_new_members

from ...factories import NOW, MappingFactory, PurchaseFactory, TicketSystemFactory
from ...factories.review import link, placed, reviewer
from .conftest import text_of

pytestmark = pytest.mark.django_db

QUEUE = reverse("admin:contacts_reviewanswer_changelist")
ANSWER = reverse("admin:contacts_reviewanswer_answer")
SAFE = reverse("admin:contacts_reviewanswer_safe")
ANSWERS = reverse("admin:contacts_reviewanswer_answers")
AGREEMENT = reverse("admin:contacts_reviewanswer_agreement")
ANN = {"first_name": "Ann", "last_name": "Marlow", "address1": "12 Quay St", "postcode": "LS1 4AB"}
SAFE_LEVELS = {"first": (6, 3.0, 1.0), "email": (4, 8.0, 1.0)}


@pytest.fixture
def dee(mlb, minors):
    return reviewer(mlb, minors, first_name="Dee", last_name="Diaz")


@pytest.fixture
def as_dee(dee, client):
    client.force_login(dee)
    return client


def sent(shown, said, **more) -> dict:
    pair = shown.pair
    return {"left": pair.left.pk, "right": pair.right.pk, "key": pair.key, "said": said, **more}


@pytest.mark.req("R-CM-27")
def test_a_rep_is_told_why_not_and_a_forged_post_is_refused(as_rep, mlb):
    a, b = placed(mlb, **ANN), placed(mlb, **ANN)
    link(a, b)

    for address in (QUEUE, SAFE, ANSWERS, AGREEMENT):
        refused = as_rep.get(address)
        assert (refused.status_code, "Ann" in text_of(refused)) == (403, False)
        assert "Grouping needs a right of its own" in text_of(refused)
    for address, form in (
        (ANSWER, {"left": a.pk, "right": b.pk, "said": "same", "key": "x"}),
        (SAFE, {"pair": f"{a.pk}-{b.pk}-x"}),
        (reverse("admin:contacts_reviewanswer_take_back", args=[1]), {}),
    ):
        assert as_rep.post(address, form).status_code == 403
    assert ReviewAnswer.objects.count() == GroupRequest.objects.count() == 0


def test_both_sides_are_shown_field_by_field_with_the_differences_marked(as_dee, mlb, minors):
    a = placed(mlb, **ANN, email="ann@x.org")
    b = placed(minors, **{**ANN, "first_name": "Bo"}, email="ANN@x.org", city="Leeds")
    PurchaseFactory(system_ref=a.mappings.get().system_ref)
    link(a, b, rule="email", guard="names", levels={"first": (0, -4.0, -5.0), "email": (3, 12.0, -3.0)})

    page = as_dee.get(QUEUE)

    shown = page.context["shown"]
    lines = {line.label: (str(line.left.difference), str(line.right.difference)) for line in shown.lines}
    assert lines["first name"] == ("other", "other")
    assert lines["last name"] == lines["e-mail"] == ("same", "same")
    assert lines["city"] == ("blank", "same")
    assert [line.label for line in shown.why.lines] == ["Before looking", "First name", "E-mail"]
    assert (shown.is_household, shown.rule) == (True, "Same e-mail")
    assert "Perhaps one household" in text_of(page)
    assert "<b>1</b> pair left" in text_of(page)


@pytest.mark.req("R-MDB-32", "R-MDB-34")
def test_what_a_reader_may_not_see_is_not_asked_about_nor_told(as_dee, mlb, minors):
    hidden = TicketSystemFactory(code="HID", name="Hidden")
    a, b, partly = placed(mlb, **ANN), placed(minors, **ANN), placed(mlb, hidden, first_name="Secret")
    elsewhere = placed(hidden, first_name="Secret")
    link(a, partly, 9.0), link(b, elsewhere, 8.0), link(partly, elsewhere, 7.0)

    page = as_dee.get(QUEUE)

    assert page.context["shown"] is None
    assert "Nothing to review" in text_of(page)
    assert not any(word in text_of(page) for word in ("Secret", "HID", "Hidden"))
    named = {"left": a.pk, "right": partly.pk}
    assert as_dee.get(QUEUE, named).status_code == 403
    assert as_dee.get(QUEUE, {"left": a.pk, "right": elsewhere.pk}).status_code == 404
    assert as_dee.post(ANSWER, {**named, "said": "different", "key": "x"}).status_code == 403
    assert as_dee.post(SAFE, {"pair": f"{a.pk}-{partly.pk}-x"}).status_code == 403
    assert GroupDecision.objects.count() == 0
    ours = ReviewAnswer.objects.create(answer="later", key="k", weight=1, at=NOW)
    ours.members.create(system_ref=partly.mappings.order_by("pk")[1].system_ref, side=0)
    assert as_dee.get(ANSWERS).context["lines"] == []
    assert as_dee.post(reverse("admin:contacts_reviewanswer_take_back", args=[ours.pk])).status_code == 404
    assert as_dee.get(AGREEMENT).context["lines"] == []


@pytest.mark.parametrize(
    "asked", [{"left": "x", "right": "1"}, {"left": "1"}, {"left": "9" * 30, "right": "2"}]
)
def test_nonsense_in_the_address_leads_nowhere(as_dee, asked):
    assert as_dee.get(QUEUE, asked).status_code == 404
    assert as_dee.post(ANSWER, {**asked, "said": "same"}).status_code == 404


def test_an_answer_leads_to_the_next_pair_and_undo_back_to_it(as_dee, mlb, minors):
    a, b, c = placed(mlb, **ANN), placed(minors, **ANN), placed(mlb)
    link(a, b, 9.0), link(b, c, 2.0)
    shown = as_dee.get(QUEUE).context["shown"]

    page = as_dee.post(ANSWER, sent(shown, "different"), follow=True)

    assert page.redirect_chain == [(QUEUE, 302)]
    assert page.context["shown"].pair.numbers == (b.pk, c.pk)
    assert "different people. No night groups them." in text_of(page)
    last = page.context["last"]
    back = as_dee.post(
        reverse("admin:contacts_reviewanswer_take_back", args=[last.pk]), {"from": "queue"}, follow=True
    )
    assert back.redirect_chain == [(f"{QUEUE}?left={a.pk}&right={b.pk}", 302)]
    assert back.context["shown"].pair.numbers == (a.pk, b.pk)
    assert GroupDecision.objects.standing().count() == 0


def test_the_second_of_two_reviewers_is_told_and_a_refusal_shows_the_pair_again(as_dee, mlb, minors):
    a, b = placed(mlb, **ANN), placed(minors, **ANN)
    link(a, b)
    shown = as_dee.get(QUEUE).context["shown"]
    as_dee.post(ANSWER, sent(shown, "same"))

    second = as_dee.post(ANSWER, sent(shown, "different"), follow=True)
    stale = as_dee.post(ANSWER, sent(shown, "same", key="0" * 64), follow=True)

    assert "Dee Diaz answered already: they are the same person. Nothing was done twice." in text_of(second)
    assert "answered already" in text_of(stale)
    assert (ReviewAnswer.objects.count(), GroupDecision.objects.count()) == (1, 0)


def test_the_safe_ones_are_answered_in_one_go_and_what_could_not_be_done_is_listed(as_dee, dee, mlb, minors):
    a, b, c, d, e = (placed(system, **ANN) for system in (mlb, minors, mlb, minors, minors))
    link(a, b, 5.5, levels=SAFE_LEVELS), link(b, c, 5.0, levels=SAFE_LEVELS)
    link(c, d, 4.5, levels={**SAFE_LEVELS, "birth": (0, -4.0, -4.0)})
    link(d, e, 4.4, levels=SAFE_LEVELS, rule="email", guard="names")
    link(a, e, 1.0, levels=SAFE_LEVELS)
    link(a, d, 5.2, levels={"first": (6, 3.0, 1.0), "last": (5, 9.0, 1.0)})

    page = as_dee.get(SAFE)
    assert [shown.pair.numbers for shown in page.context["pairs"]] == [(a.pk, b.pk), (b.pk, c.pk)]
    ticked = [f"{s.pair.left.pk}-{s.pair.right.pk}-{s.pair.key}" for s in page.context["pairs"]]
    done = as_dee.post(SAFE, {"pair": ticked})

    assert done.context["done"] == 1
    [(one, other, why)] = done.context["refused"]
    assert (one, other) == (b.pk, c.pk)
    assert "is waiting on one of these records" in why
    assert list(GroupRequest.objects.values_list("group_id", flat=True)) == [a.pk]
    assert as_dee.post(SAFE, {"pair": ["nonsense"]}).status_code == 404


def test_answers_are_listed_and_taken_back_and_rules_shown_by_how_people_agree(as_dee, dee, mlb, minors):
    for said in ("same", "different", "different", "different", "different", "later"):
        a, b = placed(mlb, **ANN), placed(minors, **ANN)
        link(a, b, rule="email", guard="names")
        as_dee.post(ANSWER, sent(as_dee.get(QUEUE).context["shown"], said))

    page = as_dee.get(ANSWERS)
    assert [line.answer.answer for line in page.context["lines"]][:2] == ["later", "different"]
    assert len(as_dee.get(ANSWERS, {"said": "same", "by": "me"}).context["lines"]) == 1
    GroupDecision.objects.filter(pk__in=page.context["lines"][1].answer.made).update(until=NOW)
    lines = as_dee.get(ANSWERS).context["lines"]
    assert [line.standing for line in lines][:3] == ["asked again", "its rule was lifted", "stands"]
    [line] = as_dee.get(AGREEMENT).context["lines"]
    assert (line.counts.percent, line.is_doubtful) == (20, True)
    first = page.context["lines"][0].answer
    as_dee.post(reverse("admin:contacts_reviewanswer_take_back", args=[first.pk]))
    first.refresh_from_db()
    assert first.taken_back_by == dee
    assert (
        f"{QUEUE}" not in as_dee.get(reverse("admin:contacts_reviewanswer_change", args=[first.pk])).url[-8:]
    )


def test_what_was_said_before_is_shown_when_a_third_member_joined_and_while_it_is_left_for_later(
    as_dee, dee, mlb, minors
):
    a, b = placed(mlb, **ANN), placed(minors, **ANN)
    compared = link(a, b, rule="email", guard="names")
    as_dee.post(ANSWER, sent(as_dee.get(QUEUE).context["shown"], "different"))
    compared.delete()  # as the night does: nobody has to decide about a pair that a rule bars
    third = MappingFactory(system_ref__system=minors, contact=a, is_primary=False)
    note_new_members([ref.pk for ref in (third, *a.mappings.all())])

    page = as_dee.get(QUEUE)

    shown = page.context["shown"]
    assert (shown.pair.numbers, shown.why, shown.rule) == ((a.pk, b.pk), None, "Same e-mail")
    assert "Dee Diaz said “different”" in text_of(page)
    assert "when other System Refs stood here" in text_of(page)
    as_dee.post(ANSWER, sent(shown, "later"))
    assert as_dee.get(QUEUE).context["shown"] is None
    left = as_dee.get(QUEUE, {"left": b.pk, "right": a.pk})
    assert "Left for later" in text_of(left)
    as_dee.post(
        ANSWER, sent(left.context["shown"], "different", replaces=left.context["shown"].held.answer.pk)
    )
    settled = as_dee.get(QUEUE, {"left": a.pk, "right": b.pk})
    assert "Dee Diaz answered “different”" in text_of(settled)
    assert (as_dee.get(QUEUE).context["shown"], GroupDecision.objects.standing().count()) == (None, 2)


def test_a_bar_between_the_sides_is_named_and_same_cannot_be_chosen(as_dee, dee, mlb, minors):
    a, b = placed(mlb, minors, **ANN), placed(minors, **ANN)
    barred = link(a, b, 3.0)
    GroupDecision.objects.create(
        kind="never", left=barred.left, right=barred.right, author=dee, reason="Mother and son", since=NOW
    )
    second = a.mappings.order_by("pk")[1].system_ref
    link(second, b.mappings.get().system_ref, 8.0, decision="refused", guard="never", is_joinable=True)

    page = as_dee.get(QUEUE)

    assert page.context["shown"].refusal.startswith("A do-not-group rule stands")
    assert "Dee Diaz" in text_of(page)
    assert "“Mother and son”" in text_of(page)
    refused = as_dee.post(ANSWER, sent(page.context["shown"], "same"), follow=True)
    assert "Lift that do-not-group rule first. Nothing was answered." in text_of(refused).replace(
        "&#x27;", "'"
    )
    assert ReviewAnswer.objects.count() == 0


@pytest.mark.parametrize("address", [QUEUE, SAFE, ANSWERS])
def test_the_pages_cost_the_same_queries_however_much_they_show(
    as_dee, dee, mlb, minors, address, django_assert_max_num_queries
):
    counts = []
    for pairs in (2, 3):
        for _ in range(pairs):
            a, b = placed(mlb, **ANN), placed(minors, **ANN)
            link(a, b, 5.0)
            as_dee.post(ANSWER, sent(as_dee.get(QUEUE).context["shown"], "later"))
        for _ in range(pairs):
            link(placed(mlb, **ANN), placed(minors, **ANN), 5.0)
        with django_assert_max_num_queries(30) as queries:
            as_dee.get(address)
        counts.append(len(queries))

    assert counts[0] == counts[1]


def test_a_request_that_waits_on_a_contact_keeps_its_pairs_out_of_the_queue(as_dee, dee, mlb, minors):
    a, b = placed(mlb, minors, **ANN), placed(minors, **ANN)
    link(a, b)
    file_ungrouping(a, by=dee, now=NOW)
    grant(dee, SystemRight.CHANGE, on=mlb)

    assert as_dee.get(QUEUE).context["shown"] is None

"""Submit in the TDM: what is changed, what is refused, and what is never lost."""

import datetime as dt

import pytest
from django.contrib.messages import get_messages
from django.urls import reverse

from contacts.models import FieldChange, GoneRef, HeldValue, SystemRef
from contacts.models.history import Origin
from contacts.permissions import SystemRight, grant
from contacts.services.corrections import correct
from kore_site.roles import CRM_MANAGERS
from ticketing.models import WriteBack

from ...factories import NOW, UserFactory
from .conftest import account_of, rep_of

pytestmark = pytest.mark.django_db


def send(client, contact, ref, **fields):
    """What a browser sends of the form that was shown: what stood goes along with each field."""
    sent = {"account": ref.pk}
    for name, value in fields.items():
        sent[name] = value
        if not name.startswith(("was_", "choose_", "theirs_")) and f"was_{name}" not in fields:
            sent[f"was_{name}"] = getattr(ref, name, "") or ""
    return client.post(reverse("tdm:contact", args=[contact.pk]), sent)


def said(response) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


def detail(response, name: str):
    return next(one for row in response.context["rows"] for one in row if one.name == name)


def everything() -> tuple:
    """All that a Submit could have written."""
    return (
        list(SystemRef.objects.order_by("pk").values()),
        FieldChange.objects.count(),
        HeldValue.objects.count(),
        WriteBack.objects.count(),
    )


@pytest.mark.req("R-MDB-26", "R-SYS-2")
def test_a_submit_changes_the_account_and_says_what_happens_next(as_rep, rep, person, mlb):
    ann = person((mlb, {"email": "old@example.org", "last_name": "Marlow"}))
    ref = account_of(ann, mlb)

    response = send(as_rep, ann, ref, email="new@example.org", last_name="Marlow")

    assert response.url == f"{reverse('tdm:contact', args=[ann.pk])}?account={ref.pk}"
    assert said(response) == [
        "E-mail changed. Nothing can write to MLB; change it there yourself: e-mail. The task is filed."
    ]
    changes = FieldChange.objects.values_list("field", "before", "after", "origin", "actor")
    assert list(changes) == [("email", "old@example.org", "new@example.org", Origin.HAND, rep.pk)]


@pytest.mark.req("R-MDB-20", "R-MDB-28", "R-MDB-29")
def test_a_forged_submit_of_an_account_that_may_only_be_seen_is_refused_and_changes_nothing(
    as_rep, rep, person, mlb, minors
):
    grant(rep, SystemRight.VIEW, on=minors)
    ann = person((mlb, {}), (minors, {"email": "old@example.org"}))
    before = everything()

    response = send(as_rep, ann, account_of(ann, minors), email="forged@example.org")

    assert response.status_code == 403
    assert everything() == before


@pytest.mark.req("R-MDB-28", "R-MDB-32")
def test_a_submit_of_a_hidden_account_is_404_as_of_one_that_is_not_there(as_rep, person, mlb, minors):
    ann, other = person((mlb, {}), (minors, {})), person((mlb, {}))
    before = everything()

    hidden = send(as_rep, ann, account_of(ann, minors), email="forged@example.org")
    anothers = send(as_rep, ann, account_of(other, mlb), email="forged@example.org")
    absent = as_rep.post(reverse("tdm:contact", args=[ann.pk]), {"account": 10**9, "email": "x@example.org"})

    assert (hidden.status_code, anothers.status_code, absent.status_code) == (404, 404, 404)
    assert hidden.content == absent.content
    assert everything() == before


@pytest.mark.req("R-MDB-26", "R-MDB-28")
def test_a_role_that_changes_no_accounts_is_refused_whatever_rights_it_has(client, person, mlb):
    user = UserFactory(username="reader")
    user.user_permissions.set([])
    from_role = rep_of("other", mlb).groups.get().permissions.exclude(codename="change_systemref")
    user.user_permissions.set(from_role)
    for right in SystemRight:
        grant(user, right, on=mlb)
    client.force_login(user)
    ann = person((mlb, {}))

    assert send(client, ann, account_of(ann, mlb), email="new@example.org").status_code == 403
    shown = client.get(reverse("tdm:contact", args=[ann.pk])).content.decode()
    assert "Your role changes no accounts." in shown


@pytest.mark.req("R-MDB-30")
def test_a_right_that_was_taken_away_bites_at_the_next_submit_of_an_open_page(as_rep, rep, person, mlb):
    ann = person((mlb, {"email": "old@example.org"}))
    ref = account_of(ann, mlb)
    assert as_rep.get(reverse("tdm:contact", args=[ann.pk])).context["why_not"] == ""
    rep.ticketsystemuserobjectpermission_set.filter(permission__codename=SystemRight.CHANGE).delete()

    response = send(as_rep, ann, ref, email="new@example.org")

    assert response.status_code == 403
    ref.refresh_from_db()
    assert ref.email == "old@example.org"


@pytest.mark.req("R-MDB-20", "R-MDB-30")
def test_a_refused_submit_says_why_and_whom_to_ask_and_what_was_typed_can_still_be_read(
    as_rep, rep, person, mlb
):
    UserFactory(username="jdiaz", first_name="J.", last_name="Diaz", role=CRM_MANAGERS)
    ann = person((mlb, {"email": "old@example.org"}))
    rep.ticketsystemuserobjectpermission_set.filter(permission__codename=SystemRight.CHANGE).delete()

    page = send(as_rep, ann, account_of(ann, mlb), email="new@example.org")

    assert page.status_code == 403
    assert "Nothing was changed." in page.text
    assert "You may see but not change accounts of MLB. Ask: J. Diaz." in page.text
    assert detail(page, "email").value == "new@example.org"
    assert page.context["why_not"]


@pytest.mark.req("R-MDB-20")
def test_every_other_refusal_names_the_system_and_whom_to_ask_and_leads_back(as_rep, rep, person, mlb):
    UserFactory(username="jdiaz", first_name="J.", last_name="Diaz", role=CRM_MANAGERS)
    ann = person((mlb, {"email": "old@example.org"}))
    ref = account_of(ann, mlb)
    correct(ref, {"email": "new@example.org"}, seen=None, by=rep, now=NOW)
    HeldValue.objects.update(differs_since=NOW, source_value="their@example.org")
    rep.ticketsystemuserobjectpermission_set.filter(permission__codename=SystemRight.CHANGE).delete()
    change = {"account": ref.pk, "change": FieldChange.objects.get().pk}

    reverted = as_rep.post(reverse("tdm:revert", args=[ann.pk]), change)
    settled = as_rep.post(reverse("tdm:conflicts"), {"settle": f"take {HeldValue.objects.get().pk}"})

    for page in (reverted, settled):
        assert page.status_code == 403
        assert "You may see but not change accounts of MLB. Ask: J. Diaz." in page.text
    assert f'<a href="{reverse("tdm:contact", args=[ann.pk])}">Back to the fan</a>' in reverted.text


def test_a_field_that_was_left_as_it_was_seen_is_shown_as_it_stands_by_now(as_rep, person, mlb):
    ann = person((mlb, {"email": "old@example.org", "city": "Leeds", "title": "Ms"}))
    ref = account_of(ann, mlb)
    theirs = {"email": "first@example.org", "city": "Bath"}
    correct(ref, theirs, seen=None, by=rep_of("first", mlb), now=NOW)

    second = send(as_rep, ann, ref, email="second@example.org", city="Leeds", title="Dr")

    assert detail(second, "email").theirs == "first@example.org"
    assert (detail(second, "city").value, detail(second, "city").was) == ("Bath", "Bath")
    assert (detail(second, "title").value, detail(second, "title").was) == ("Dr", "Ms")


@pytest.mark.parametrize(("state", "words"), [("to_do", "the source says"), ("done", "before:")])
def test_what_the_source_said_before_it_was_told_is_not_called_what_it_says(
    as_rep, rep, person, mlb, state, words
):
    ann = person((mlb, {"email": "old@example.org"}))
    send(as_rep, ann, account_of(ann, mlb), email="new@example.org")
    settled_at = NOW if state == "done" else None
    WriteBack.objects.update(state=state, settled_at=settled_at)

    page = as_rep.get(reverse("tdm:contact", args=[ann.pk]))

    assert f"{words} <b>old@example.org</b>" in page.text


def test_a_submit_that_changes_nothing_is_a_note_and_no_success(as_rep, person, mlb):
    ann = person((mlb, {"email": "old@example.org"}))

    response = send(as_rep, ann, account_of(ann, mlb), email="old@example.org")

    [message] = get_messages(response.wsgi_request)
    assert message.level_tag == "info"
    assert message.message.startswith("Nothing was changed")


def test_a_day_is_printed_in_one_way_whatever_the_browser_makes_of_its_input(as_rep, person, mlb):
    ann = person((mlb, {"date_of_birth": dt.date(2012, 5, 20)}))

    assert ">20 May 2012<" in as_rep.get(reverse("tdm:contact", args=[ann.pk])).text


def test_wrong_values_are_told_at_their_fields_and_what_was_typed_is_kept(as_rep, person, mlb):
    ann = person((mlb, {"email": "old@example.org", "city": "Leeds"}))
    before = everything()

    typed = {"email": "nonsense", "date_of_birth": "2999-01-01", "city": "York"}
    response = send(as_rep, ann, account_of(ann, mlb), **typed)

    assert response.status_code == 200
    wrong = {one.name for row in response.context["rows"] for one in row if one.error}
    assert wrong == {"email", "date_of_birth"}
    assert detail(response, "email").value == "nonsense"
    assert detail(response, "city").value == "York"
    assert detail(response, "city").was == "Leeds"
    assert everything() == before


def test_a_number_that_nobody_could_dial_is_told_at_the_phone(as_rep, person, mlb):
    ann = person((mlb, {}))

    response = send(as_rep, ann, account_of(ann, mlb), phone="12")

    assert detail(response, "phone").error.startswith("Nobody could dial this from GB")


def test_what_no_keyboard_types_is_told_at_its_field_and_breaks_nothing(as_rep, person, mlb):
    ann = person((mlb, {"city": "Leeds"}))
    before = everything()

    odd = send(as_rep, ann, account_of(ann, mlb), title="x" * 5000, city="Yo\x00rk", nonsense="1")

    assert detail(odd, "title").error
    assert detail(odd, "city").error == "It holds the control character U+0000."
    assert everything() == before


def test_of_two_reps_at_once_the_second_sees_both_values_and_loses_neither(as_rep, person, mlb):
    ann = person((mlb, {"email": "old@example.org", "city": "Leeds"}))
    ref = account_of(ann, mlb)
    correct(ref, {"email": "first@example.org"}, seen=None, by=rep_of("first", mlb), now=NOW)

    second = send(as_rep, ann, ref, email="second@example.org", city="York")

    assert second.status_code == 200
    assert (detail(second, "email").value, detail(second, "email").theirs) == (
        "second@example.org",
        "first@example.org",
    )
    assert detail(second, "city").value == "York"
    ref.refresh_from_db()
    assert (ref.email, ref.city) == ("first@example.org", "Leeds")


@pytest.mark.parametrize(
    ("choice", "stands"), [("mine", "second@example.org"), ("theirs", "first@example.org")]
)
def test_the_value_that_the_second_rep_chooses_stands_and_the_other_fields_go_along(
    as_rep, person, mlb, choice, stands
):
    ann = person((mlb, {"email": "old@example.org", "city": "Leeds"}))
    ref = account_of(ann, mlb)
    correct(ref, {"email": "first@example.org"}, seen=None, by=rep_of("first", mlb), now=NOW)
    chosen = {
        "email": "second@example.org",
        "was_email": "old@example.org",
        "theirs_email": "first@example.org",
        "city": "York",
    }

    undecided = send(as_rep, ann, ref, **chosen)
    decided = send(as_rep, ann, ref, **chosen, choose_email=choice)

    assert (undecided.status_code, decided.status_code) == (200, 302)
    assert detail(undecided, "email").theirs == "first@example.org"
    ref.refresh_from_db()
    assert (ref.email, ref.city) == (stands, "York")


@pytest.mark.req("R-MDB-27", "R-MDB-28")
def test_an_account_that_is_gone_at_its_source_is_not_changed_and_the_page_says_why(as_rep, person, mlb):
    ann = person((mlb, {"email": "old@example.org"}))
    ref = account_of(ann, mlb)
    GoneRef.objects.create(system_ref=ref, reason=GoneRef.Reason.MISSING, noticed_at=NOW)
    before = everything()

    response = send(as_rep, ann, ref, email="new@example.org")

    assert "Its source does not know it any more" in response.context["refusal"]
    assert detail(response, "email").value == "new@example.org"
    assert everything() == before


def test_a_refused_change_fills_the_form_and_is_sent_again_corrected(as_rep, rep, person, mlb):
    ann = person((mlb, {"email": "old@example.org"}))
    ref = account_of(ann, mlb)
    refused = WriteBack.objects.create(
        system_ref=ref,
        values={"email": "neu@example.org"},
        before={"email": "old@example.org"},
        state=WriteBack.State.REFUSED,
        reason="The source takes no such address.",
        by=rep,
        at=NOW,
        settled_at=NOW,
    )
    page = reverse("tdm:contact", args=[ann.pk])

    shown = as_rep.get(page, {"account": ref.pk, "correct": refused.pk})
    sent = send(as_rep, ann, ref, email="new@example.org", follows=refused.pk)

    assert (detail(shown, "email").value, detail(shown, "email").was) == (
        "neu@example.org",
        "old@example.org",
    )
    assert "The source takes no such address." in shown.content.decode()
    assert "stands now: <b>old@example.org</b>" in shown.content.decode()
    assert sent.status_code == 302
    refused.refresh_from_db()
    assert refused.state == WriteBack.State.SENT_AGAIN
    assert refused.followed_by.values == {"email": "new@example.org"}


@pytest.mark.req("R-MDB-9", "R-MDB-10")
def test_another_account_is_made_primary_by_hand_and_the_choice_taken_back(as_rep, person, mlb):
    ann, bo = person((mlb, {}), (mlb, {})), person((mlb, {}), (mlb, {}))
    first, second = ann.mappings.order_by("-is_primary")
    address = reverse("tdm:primary", args=[ann.pk])

    as_rep.post(address, {"account": second.pk})
    led = as_rep.get(reverse("tdm:contact", args=[ann.pk]))

    assert led.context["account"].pk == second.pk
    assert "chosen by hand" in led.content.decode()
    assert bo.mappings.get(is_primary=True).primary_by == "first_found"
    as_rep.post(address, {"account": second.pk, "leave": "1"})
    assert ann.mappings.get(is_primary=True).primary_by == "first_found"


@pytest.mark.req("R-MDB-9", "R-MDB-28")
def test_a_primary_is_chosen_among_the_accounts_that_may_be_changed_alone(as_rep, rep, person, mlb, minors):
    ann = person((mlb, {}), (minors, {}))
    address = reverse("tdm:primary", args=[ann.pk])
    hidden = {"account": account_of(ann, minors).pk}

    assert as_rep.post(address, hidden).status_code == 404
    grant(rep, SystemRight.VIEW, on=minors)
    assert as_rep.post(address, hidden).status_code == 403
    assert ann.mappings.get(is_primary=True).system_ref.system == mlb


def test_a_change_is_reverted_in_one_click_and_its_page_says_so(as_rep, person, mlb):
    ann = person((mlb, {"email": "new@example.org"}))
    ref = account_of(ann, mlb)
    change = FieldChange.objects.create(
        system_ref=ref, field="email", before="old@example.org", after="new@example.org",
        origin=Origin.BOOKING, at=NOW,
    )  # fmt: skip

    response = as_rep.post(reverse("tdm:revert", args=[ann.pk]), {"account": ref.pk, "change": change.pk})

    ref.refresh_from_db()
    assert ref.email == "old@example.org"
    assert response.url.endswith(f"?account={ref.pk}&show=history")
    again = as_rep.get(response.url).context["changes"]
    assert [(line.what, line.why_not) for line in again] == [
        ("e-mail", ""),
        ("e-mail", "This is what stands."),
    ]


@pytest.mark.req("R-MDB-28")
def test_nobody_reverts_a_change_without_the_right_nor_one_of_another_account(
    as_rep, rep, person, mlb, minors
):
    grant(rep, SystemRight.VIEW, on=minors)
    ann = person((mlb, {}), (minors, {"email": "new@example.org"}))
    ref = account_of(ann, minors)
    change = FieldChange.objects.create(
        system_ref=ref, field="email", before="old@example.org", after="new@example.org",
        origin=Origin.IMPORT, at=NOW,
    )  # fmt: skip
    address = reverse("tdm:revert", args=[ann.pk])

    assert as_rep.post(address, {"account": ref.pk, "change": change.pk}).status_code == 403
    other = {"account": account_of(ann, mlb).pk, "change": change.pk}
    assert as_rep.post(address, other).status_code == 404
    ref.refresh_from_db()
    assert ref.email == "new@example.org"

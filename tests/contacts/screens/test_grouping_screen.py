"""The grouping screen: who is offered it, what it foretells, what it refuses, and what it files."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from contacts.models import Contact, GroupAlias, GroupDecision, GroupRequest
from contacts.permissions import SystemRight, grant
from contacts.services.decisions import decide
from contacts.services.group_requests import WHY_NOT, file_grouping, hold_request
from kore_site.roles import CRM_MANAGERS

from ...factories import NOW, UserFactory


def screen(contact: Contact) -> str:
    return reverse("admin:contacts_contact_group", args=[contact.pk])


def page_of(contact: Contact) -> str:
    return reverse("admin:contacts_contact_change", args=[contact.pk])


def told(response) -> list[str]:
    """What the screen says is wrong with the GroupIDs that were named."""
    return [problem.sentence for problem in response.context["choice"].problems]


def lines(response) -> dict[str, tuple]:
    """For each field the result's value, the child that gives it, and per contact (value, taken, left)."""
    return {
        line.label: (
            line.value,
            line.from_child,
            *((cell.value, cell.is_taken, cell.is_left) for cell in line.cells),
        )
        for line in response.context["compared"].lines
    }


@pytest.fixture
def ann(person, mlb):
    return person(
        (mlb, {"system_ref": "2001", "first_name": "Ann", "last_name": "Marlow", "email": "ann@new.org"})
    )


@pytest.fixture
def anne(person, minors):
    return person(
        (minors, {"system_ref": "3004", "first_name": "Anne", "last_name": "Marlow", "phone": "0999"})
    )


@pytest.mark.req("R-CM-7", "R-CM-8", "R-CM-11", "R-CM-12", "R-CM-13", "R-CM-14")
def test_contacts_found_in_the_screen_are_grouped_by_the_second_press_only(
    as_manager, manager, ann, anne, person, mlb
):
    third = person((mlb, {"last_name": "Marlow", "city": "Leeds"}))
    assert f'href="{screen(ann)}"' in as_manager.get(page_of(ann)).content.decode()

    searched = as_manager.post(screen(ann), {"do": "search", "q": "marlow"})
    offered = {one.contact.pk: one.is_chosen for one in searched.context["found"]}
    assert offered == {ann.pk: True, anne.pk: False, third.pk: False}
    assert f"Add Group ID {anne.pk}" in searched.content.decode()

    added = as_manager.post(screen(ann), {"do": f"add-{anne.pk}", "q": "marlow"})
    both = as_manager.post(screen(ann), {"do": f"add-{third.pk}", "with": [anne.pk]})
    assert added.context["choice"].others == [anne.pk]
    assert both.context["choice"].others == [anne.pk, third.pk]
    fewer = as_manager.post(screen(ann), {"do": f"remove-{anne.pk}", "with": [anne.pk, third.pk]})
    assert fewer.context["choice"].others == [third.pk]

    sent = {"with": [anne.pk, third.pk], "master": ann.pk, "reason": "They wrote to us"}
    asked = as_manager.post(screen(ann), {**sent, "do": "confirm"})
    text = " ".join(asked.content.decode().split())
    assert f"3 Contacts with 3 System Refs become GroupID {ann.pk}" in text
    assert f"2 GroupIDs retire and will lead here: {anne.pk}, {third.pk}" in text
    assert not GroupRequest.objects.exists()

    filed = as_manager.post(screen(ann), {**sent, "do": "file"}, follow=True)

    request = GroupRequest.objects.get()
    assert (request.kind, request.group_id, request.by, request.reason) == (
        "group", ann.pk, manager, "They wrote to us",
    )  # fmt: skip
    text = filed.content.decode()
    assert (
        f">request {request.pk}</a>. It will be processed overnight, tonight at 02:00 (Europe/London)" in text
    )
    assert f"join {anne.pk} and {third.pk} into this record" in text
    assert f"join this record and {third.pk} into {ann.pk}" in as_manager.get(page_of(anne)).content.decode()


@pytest.mark.req("R-CM-8", "R-CM-9", "R-CM-10")
def test_the_preview_says_where_each_value_comes_from_and_what_is_not_taken_over(as_manager, ann, anne):
    first = as_manager.get(screen(ann), {"with": anne.pk})
    second = as_manager.post(screen(ann), {"do": "preview", "with": anne.pk, "master": anne.pk})

    shown = lines(first)
    assert shown["first name"] == ("Ann", None, ("Ann", True, False), ("Anne", False, True))
    assert shown["last name"] == ("Marlow", None, ("Marlow", True, False), ("Marlow", False, False))
    assert shown["phone"] == ("0999", anne.pk, (None, False, False), ("0999", True, False))
    assert "the master's is blank" in first.content.decode().replace("&#x27;", "'")
    shown = lines(second)
    assert [contact.pk for contact in second.context["choice"].contacts] == [anne.pk, ann.pk]
    assert shown["first name"] == ("Anne", None, ("Anne", True, False), ("Ann", False, True))
    assert shown["e-mail"][:2] == ("ann@new.org", ann.pk)


@pytest.mark.req("R-CM-16")
def test_nonsense_is_told_at_its_place_and_never_filed(as_manager, ann, anne):
    GroupAlias.objects.create(group_id=900077, contact=anne, at=NOW)

    def add(number, *others):
        return told(as_manager.post(screen(ann), {"do": f"add-{number}", "with": others}))

    assert add(ann.pk) == [
        f"GroupID {ann.pk} is the record you began from: it cannot be grouped with itself."
    ]
    assert add(anne.pk, anne.pk) == [f"GroupID {anne.pk} is chosen already."]
    assert add(987654) == ["There is no GroupID 987654."]
    assert add("9" * 40) == [f"There is no GroupID {'9' * 20}."]
    assert add("nobody") == ["There is no GroupID nobody."]
    assert add(900077) == [f"GroupID 900077 has retired: it lives on in {anne.pk}."]
    for sent in ({}, {"with": [ann.pk]}, {"with": [anne.pk, anne.pk]}):
        refused = as_manager.post(screen(ann), {**sent, "do": "file"})
        assert refused.status_code == 409
    assert not GroupRequest.objects.exists()


@pytest.mark.req("R-CM-17")
def test_a_waiting_request_is_named_at_the_record_it_concerns_and_bars_another(
    as_manager, manager, ann, anne, person, mlb
):
    third = person((mlb, {"last_name": "Okafor"}))
    waits = file_grouping(anne, [third], by=manager, now=NOW)

    shown = as_manager.get(screen(ann), {"with": anne.pk})
    refused = as_manager.post(screen(ann), {"with": anne.pk, "do": "file"})

    text = shown.content.decode()
    assert f"Request {waits.pk} waits" in text
    assert f"join {third.pk} into {anne.pk}" in text
    assert refused.status_code == 409
    assert (
        f"Request {waits.pk} (Jo Diaz: join {third.pk} into {anne.pk}) is waiting" in refused.content.decode()
    )
    assert list(GroupRequest.objects.all()) == [waits]


@pytest.mark.req("R-CM-16")
def test_a_do_not_group_rule_between_them_is_told_at_the_preview_and_nothing_can_be_pressed(
    as_manager, manager, ann, anne
):
    pair = sorted(m.system_ref_id for one in (ann, anne) for m in one.mappings.all())
    decide([tuple(pair)], GroupDecision.Kind.NEVER, by=manager, now=NOW, reason="Mother and daughter")

    shown = as_manager.get(screen(ann), {"with": anne.pk})
    text = shown.content.decode()
    assert "Jo Diaz said on" in text
    assert "Mother and daughter" in text
    assert 'disabled aria-describedby="stands-against"' in text
    assert reverse("admin:contacts_groupdecision_changelist") in text
    assert as_manager.post(screen(ann), {"with": anne.pk, "do": "confirm"}).status_code == 409


@pytest.mark.req("R-CM-27")
def test_a_rep_sees_why_grouping_is_not_offered_and_a_forged_press_is_refused(as_rep, person, mlb):
    contact, other = person((mlb, {}), (mlb, {})), person((mlb, {}))

    text = as_rep.get(page_of(contact)).content.decode()

    assert text.count(WHY_NOT) >= 2  # beside the button and in the menu
    for name in ("group", "ungroup", "split"):
        address = reverse(f"admin:contacts_contact_{name}", args=[contact.pk])
        assert address not in text
        assert as_rep.get(address).status_code == 403
        assert as_rep.post(address, {"do": "file", "with": other.pk}).status_code == 403
    assert not GroupRequest.objects.exists()


@pytest.mark.req("R-CM-27", "R-MDB-34")
def test_hidden_refs_refuse_the_request_without_being_told_of(client, person, mlb, minors):
    manager = UserFactory(role=CRM_MANAGERS)
    grant(manager, SystemRight.VIEW, on=mlb)
    client.force_login(manager)
    ours = person((mlb, {"last_name": "Marlow"}))
    mixed = person((mlb, {"last_name": "Marlow"}), (minors, {"last_name": "Secret", "phone": "0777"}))
    theirs = person((minors, {"last_name": "Marlow", "city": "Secretville"}))

    found = client.post(screen(ours), {"do": "search", "q": "marlow"})
    shown = client.post(screen(ours), {"do": "confirm", "with": mixed.pk})
    unseen = client.post(screen(ours), {"do": f"add-{theirs.pk}"})
    refused = client.post(screen(ours), {"do": "file", "with": mixed.pk})

    assert {one.contact.pk for one in found.context["found"]} == {ours.pk, mixed.pk}
    assert told(unseen) == [f"There is no GroupID {theirs.pk}."]
    assert client.get(screen(theirs)).status_code == 404
    assert refused.status_code == 403
    for response in (found, shown, unseen, refused):
        text = response.content.decode()
        assert not any(word in text for word in ("Secret", "0777", ">MIN<", "Minors"))
    assert not GroupRequest.objects.exists()


@pytest.mark.req("R-CM-40")
def test_the_waiting_box_tells_of_held_and_just_settled_requests_to_who_may_see_them(
    as_manager, as_rep, manager, ann, anne
):
    request = file_grouping(ann, [anne], by=manager, now=NOW)
    assert "join" in as_manager.get(page_of(ann)).content.decode()
    # The rep sees one of the two records alone: the request would tell of the other.
    assert "k-waiting" not in as_rep.get(page_of(ann)).content.decode()

    hold_request(request, by=manager, now=NOW)
    held = as_manager.get(page_of(anne)).content.decode()
    assert f"held by {manager.get_full_name() or manager.username}, " in held
    assert "no night touches it until it is let go" in held
    withdraw = reverse("admin:contacts_grouprequest_steer", args=[request.pk])
    assert as_rep.post(withdraw, {"do": "withdraw"}).status_code == 403
    gone = as_manager.post(withdraw, {"do": "withdraw", "back": ann.pk}, follow=True)

    assert gone.redirect_chain == [(page_of(ann), 302)]
    assert f"Request {request.pk} is withdrawn" in gone.content.decode()
    assert "k-waiting" not in gone.content.decode()


def test_the_screen_costs_the_same_queries_whatever_the_number_of_contacts(as_manager, person, mlb, minors):
    start, *others = [
        person((mlb, {"last_name": f"Marlow{n}"}), (minors, {"first_name": "Ann"})) for n in range(6)
    ]
    costs = []
    for count in (1, 5):
        sent = {"do": "search", "q": "ann", "with": [other.pk for other in others[:count]]}
        with CaptureQueriesContext(connection) as queries:
            response = as_manager.post(screen(start), sent)
        assert len(response.context["compared"].columns) == count + 1
        costs.append(len(queries))

    assert costs[0] == costs[1] <= 24

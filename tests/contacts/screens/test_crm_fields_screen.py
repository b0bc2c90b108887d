"""The CRM fields on the contact page: a form, or texts with the reason, and nothing of hidden records."""

import pytest
from django.urls import reverse

from contacts.models import CrmDetails, FieldChange, Organisation, SystemRef, TicketSystem
from contacts.permissions import SystemRight, grant
from contacts.services.crm_fields import edit_crm_fields
from contacts.services.systems import add_business_unit
from kore_site.roles import CRM_MANAGERS

from ...factories import NOW, TicketSystemFactory, UserFactory
from .conftest import text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def unit():
    return add_business_unit("north", name="North Club")


@pytest.fixture
def hand(unit) -> TicketSystem:
    return unit.ticket_systems.get(kind="hand")


@pytest.fixture
def may_edit(rep, hand):
    for right in SystemRight:
        grant(rep, right, on=hand)
    return rep


@pytest.fixture
def ann(person, mlb):
    return person((mlb, {"first_name": "Ann", "phone": "020 7946 0001", "city": "Leeds", "system_ref": "7"}))


def panel(client, contact):
    address = reverse("admin:contacts_contact_change", args=[contact.pk])
    response = client.get(address, {"panel": "crm"})
    assert response.status_code == 200
    return response


def sent(unit, **values):
    """What the form sends when only these values were typed into the page of Ann."""
    seen = {"owner": "", "segment": "", "first_name": "Ann", "phone": "020 7946 0001", "city": "Leeds"}
    return {**seen, **{f"seen-{name}": text for name, text in seen.items()}, "unit": unit.pk, **values}


def post(client, contact_id, data, **more):
    return client.post(reverse("crm_fields", args=[contact_id]), data, **more)


@pytest.mark.req("R-MDB-25")
def test_a_rep_edits_a_phone_number_and_is_told_where_it_stands(as_rep, may_edit, ann, unit):
    form = panel(as_rep, ann)

    answer = post(as_rep, ann.pk, sent(unit, phone="020 7946 0002"), follow=True)

    assert 'name="seen-phone" value="020 7946 0001"' in form.text
    ref = SystemRef.objects.get(system__kind="hand")
    assert f"Saved: phone, in HAND-NORTH {ref.system_ref}." in answer.text
    assert 'value="020 7946 0002"' in answer.text
    ann.refresh_from_db()
    assert (ann.phone, ann.city) == ("020 7946 0002", "Leeds")
    assert FieldChange.objects.get(field="phone").actor == may_edit


def test_owner_and_segment_stand_beside_the_name_and_segments_in_use_are_offered(as_rep, may_edit, ann, unit):
    kim = UserFactory(first_name="Kim", last_name="Okafor")

    post(as_rep, ann.pk, sent(unit, owner=kim.pk, segment="Gold"))

    text = panel(as_rep, ann).text
    assert "Owner: Kim Okafor" in text
    assert "Segment: Gold" in text
    assert '<option value="Gold">' in text


@pytest.mark.req("R-MDB-23")
@pytest.mark.parametrize("user", ["rep", "manager", "superuser"])
def test_while_isolated_fields_are_text_for_everyone_and_a_forged_post_is_403(
    client, may_edit, ann, unit, hand, user
):
    manager = UserFactory(username="kim", first_name="Kim", last_name="Okafor", role=CRM_MANAGERS)
    for system in (hand, ann.mappings.get().system_ref.system):
        for right in SystemRight:
            grant(manager, right, on=system)
    TicketSystemFactory(code="APART", is_isolated=True)
    who = {"rep": may_edit, "manager": manager, "superuser": UserFactory(is_superuser=True)}[user]
    client.force_login(who)

    text = panel(client, ann).text
    answer = post(client, ann.pk, sent(unit, phone="020 7946 0002", segment="Gold"))

    assert "so CRM fields can only be read" in text
    assert "may lift this under Organisation" in text
    assert ("Kim Okafor may lift" in text) is (user != "manager")
    assert "020 7946 0001" in text
    assert not any(f'name="{name}"' in text for name in ("phone", "owner", "segment", "seen-phone"))
    assert answer.status_code == 403
    ann.refresh_from_db()
    assert ann.phone == "020 7946 0001"
    assert not CrmDetails.objects.exists()


@pytest.mark.req("R-MDB-24")
def test_a_manager_lifts_the_lock_and_reps_edit_again(client, may_edit, ann, unit):
    TicketSystemFactory(code="APART", is_isolated=True)
    manager = UserFactory(role=CRM_MANAGERS)
    client.force_login(manager)
    address = reverse("admin:contacts_organisation_change", args=[Organisation.load().pk])
    said = client.get(address).text
    fields = client.get(address).context["adminform"].form.initial
    fields |= {"night_at": "02:00"}
    lifted = client.post(address, {**fields, "locks_crm_fields": ""})
    client.force_login(may_edit)

    answer = post(client, ann.pk, sent(unit, phone="020 7946 0002"))

    assert "1 system is isolated, so CRM fields are locked" in said
    assert lifted.status_code == 302
    assert answer.status_code == 302
    ann.refresh_from_db()
    assert ann.phone == "020 7946 0002"


def test_both_values_are_shown_where_somebody_was_faster_and_saving_again_keeps_ones_own(
    as_rep, may_edit, ann, unit
):
    other = UserFactory(is_superuser=True)
    edit_crm_fields(ann, {"city": "York"}, unit=unit, seen=None, by=other, now=NOW)

    again = post(as_rep, ann.pk, sent(unit, city="Hull"))

    assert again.status_code == 200
    assert "Nothing is saved yet." in again.text
    assert "Now there: <b>York</b>" in again.text
    assert 'value="Hull"' in again.text
    assert 'name="seen-city" value="York"' in again.text
    data = sent(unit, city="Hull", **{"seen-city": "York"})
    assert post(as_rep, ann.pk, data).status_code == 302
    ann.refresh_from_db()
    assert ann.city == "Hull"


def test_what_cannot_be_read_stands_at_its_field_with_what_was_typed(as_rep, may_edit, ann, unit):
    answer = post(as_rep, ann.pk, sent(unit, email="ann@", country="Nowhere"))

    assert answer.status_code == 200
    assert set(answer.context["content_of_panel"]["form"].errors) == {"email", "country"}
    assert 'value="ann@"' in answer.text
    ann.refresh_from_db()
    assert ann.phone == "020 7946 0001"


@pytest.mark.req("R-MDB-28")
def test_without_the_right_fields_are_text_with_the_reason_and_a_forged_post_is_403(
    as_rep, rep, ann, unit, hand
):
    UserFactory(first_name="Kim", last_name="Okafor", role=CRM_MANAGERS)
    grant(rep, SystemRight.VIEW, on=hand)

    text = panel(as_rep, ann).text

    assert "You may not change the hand entry of a business unit. Ask: Kim Okafor." in text
    assert '<button class="k-button k-button-main" disabled>Save</button>' in text
    assert 'name="phone"' not in text
    assert post(as_rep, ann.pk, sent(unit, phone="020 7946 0002")).status_code == 403


def test_another_units_hand_entry_is_403_and_so_is_one_that_is_not_there(as_rep, may_edit, ann, unit):
    other = add_business_unit("south")

    codes = [
        post(as_rep, ann.pk, {**sent(unit, segment="Gold"), "unit": given}).status_code
        for given in (other.pk, 10**9, "x")
    ]

    assert codes == [403, 403, 403]
    assert not CrmDetails.objects.exists()


@pytest.mark.req("R-MDB-30")
def test_a_right_taken_away_bites_at_the_next_post_of_an_open_page(as_rep, may_edit, ann, unit, hand):
    panel(as_rep, ann)
    hand.ticketsystemuserobjectpermission_set.filter(permission__codename="change_records").delete()

    assert post(as_rep, ann.pk, sent(unit, phone="020 7946 0002")).status_code == 403


@pytest.mark.req("R-MDB-16", "R-MDB-32")
def test_a_hidden_contact_is_404_like_one_that_is_not_there(as_rep, may_edit, person, minors, unit):
    hidden = person((minors, {"first_name": "Zachary"}))

    answers = [post(as_rep, pk, sent(unit, segment="Gold")) for pk in (hidden.pk, 10**12)]
    reads = [as_rep.get(reverse("crm_fields", args=[pk])) for pk in (hidden.pk, 10**12)]

    assert [answer.status_code for answer in (*answers, *reads)] == [404] * 4
    assert text_of(answers[0]) == text_of(answers[1])


@pytest.mark.req("R-MDB-33", "R-MDB-34")
def test_the_panel_reads_the_same_with_and_without_hidden_records(as_rep, may_edit, ann, minors, unit):
    south = add_business_unit("south")
    boss = UserFactory(username="boss", is_superuser=True)
    before = text_of(panel(as_rep, ann))
    values = {"segment": "Zinc", "owner": boss, "phone": "020 7946 0555", "email": "zz@example.org"}

    edit_crm_fields(ann, values, unit=south, seen=None, by=boss, now=NOW)

    assert text_of(panel(as_rep, ann)) == before


def test_who_has_several_units_chooses_one_and_the_accounts_own_is_offered_first(client, ann, unit, mlb):
    add_business_unit("west")
    boss = UserFactory(is_superuser=True)
    client.force_login(boss)
    TicketSystem.objects.filter(pk=mlb.pk).update(business_unit=unit)

    form = panel(client, ann).context["content_of_panel"]["form"]

    assert form.has_units
    assert form.initial["unit"] == unit.pk


def test_reading_the_forms_own_address_leads_to_the_panel(as_rep, may_edit, ann):
    answer = as_rep.get(reverse("crm_fields", args=[ann.pk]))

    assert (answer.status_code, answer.url) == (
        302, reverse("admin:contacts_contact_change", args=[ann.pk]) + "?panel=crm",
    )  # fmt: skip


@pytest.mark.req("R-MDB-16")
def test_the_list_filters_by_owner_as_visible_records_say_and_offers_no_other(
    as_rep, may_edit, ann, person, mlb, unit
):
    bo, south = person((mlb, {"first_name": "Bo"})), add_business_unit("south")
    boss = UserFactory(first_name="Zed", last_name="Boss", is_superuser=True)
    edit_crm_fields(ann, {"owner": may_edit}, unit=unit, seen=None, by=boss, now=NOW)
    edit_crm_fields(bo, {"owner": boss}, unit=south, seen=None, by=boss, now=NOW)
    address = reverse("admin:contacts_contact_changelist")

    whole = as_rep.get(address)
    shown = {
        owner: [row.contact.pk for row in as_rep.get(address, {"owner": owner}).context["cl"].rows]
        for owner in (may_edit.pk, boss.pk, "x")
    }

    assert f'<option value="{may_edit.pk}">my contacts</option>' in " ".join(whole.text.split())
    assert "Zed Boss" not in whole.text
    assert shown == {may_edit.pk: [ann.pk], boss.pk: [], "x": []}

"""Not visible is absent, visible but not changeable is refused: on every page of per-system rows."""

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.urls import reverse

from contacts.models import GroupAlias, Move, RefusedAttempt
from contacts.permissions import SystemRight, grant
from contacts.services.systems import add_ticket_system

from ...factories import NOW, PurchaseFactory, SystemRefFactory, UserFactory
from .conftest import refs_of

pytestmark = pytest.mark.django_db
ABSENT = 999_999


def addresses(model: str, pk: int) -> list[str]:
    return [reverse(f"admin:{model}_{page}", args=[pk]) for page in ("change", "history", "delete")]


def answers(client, paths: list[str]) -> list[tuple[int, bytes]]:
    found = []
    for path in paths:
        for ask in (client.get, client.post):
            response = ask(path)
            found.append((response.status_code, response.content))
    return found


@pytest.mark.req("R-MDB-16", "R-MDB-32")
def test_an_invisible_contact_answers_exactly_as_an_absent_one(as_rep, person, minors):
    hidden = person((minors, {"last_name": "Hidden"}))

    shown = answers(as_rep, addresses("contacts_contact", hidden.pk))

    assert shown == answers(as_rep, addresses("contacts_contact", ABSENT))
    assert [status for status, _content in shown][::2] == [404, 404, 404]


@pytest.mark.req("R-MDB-16")
@pytest.mark.parametrize("model", ["contacts_systemref", "ticketing_purchase"])
def test_an_invisible_row_answers_exactly_as_an_absent_one(as_rep, minors, model):
    ref = SystemRefFactory(system=minors, last_name="Hidden")
    pk = ref.pk if model == "contacts_systemref" else PurchaseFactory(system_ref=ref).pk

    shown = answers(as_rep, addresses(model, pk))

    assert shown == answers(as_rep, addresses(model, ABSENT))
    assert [status for status, _content in shown][::2] == [404, 404, 404]


@pytest.mark.req("R-MDB-17")
def test_a_visible_contact_is_shown_and_no_write_is_taken(as_rep, person, mlb):
    contact = person((mlb, {"last_name": "Marlow"}))
    page = reverse("admin:contacts_contact_change", args=[contact.pk])

    assert as_rep.get(page).status_code == 200
    assert as_rep.get(reverse("admin:contacts_contact_history", args=[contact.pk])).status_code == 200
    assert as_rep.post(page, {"last_name": "Forged"}).status_code == 403
    assert as_rep.post(reverse("admin:contacts_contact_delete", args=[contact.pk])).status_code == 403
    contact.refresh_from_db()
    assert contact.last_name == "Marlow"


@pytest.mark.req("R-MDB-17")
def test_a_visible_system_ref_is_read_only(as_rep, mlb, rep):
    ref = SystemRefFactory(system=mlb, last_name="Marlow", system_ref="2001")
    page = reverse("admin:contacts_systemref_change", args=[ref.pk])

    response = as_rep.get(page)

    assert "Fan ID 2001" in response.content.decode()
    assert "waiting for tonight, 02:00" in response.content.decode()
    assert as_rep.post(page, {"last_name": "Forged"}).status_code == 403


@pytest.mark.req("R-MDB-16")
def test_the_lists_of_refs_count_and_offer_visible_systems_only(as_rep, mlb, minors):
    SystemRefFactory(system=mlb, last_name="Marlow")
    SystemRefFactory(system=minors, last_name="Hidden")

    page = as_rep.get(reverse("admin:contacts_systemref_changelist"))
    asked = as_rep.get(reverse("admin:contacts_systemref_changelist"), {"system": "MIN"})

    assert page.context["cl"].result_count == 1
    assert asked.context["cl"].result_count == 0
    assert not any(word in page.content.decode() for word in ("Hidden", "Minors", ">MIN<"))


@pytest.mark.parametrize("rows", [1, 3])
def test_the_list_of_refs_costs_the_same_queries_whatever_the_rows(
    as_admin, mlb, rows, django_assert_num_queries
):
    SystemRefFactory.create_batch(rows, system=mlb, spent_total=5)
    estimate = 1 if connection.vendor == "postgresql" else 0

    with django_assert_num_queries(6 + estimate):
        as_admin.get(reverse("admin:contacts_systemref_changelist"))


def test_someone_without_a_role_is_refused_whether_or_not_the_contact_exists(client, person, mlb):
    contact = person((mlb, {}))
    client.force_login(UserFactory())

    for pk in (contact.pk, ABSENT):
        assert client.get(reverse("admin:contacts_contact_change", args=[pk])).status_code == 403
        assert client.get(reverse("contact", args=[pk])).status_code == 403


class TestLastingAddress:
    def test_asks_to_sign_in(self, client, person, mlb):
        contact = person((mlb, {}))

        response = client.get(f"/contact/{contact.pk}/")

        assert (response.status_code, response.url.split("?")[0]) == (302, "/admin/login/")

    @pytest.mark.req("R-CM-1")
    def test_leads_to_the_page(self, as_rep, person, mlb):
        contact = person((mlb, {}))

        response = as_rep.get(f"/contact/{contact.pk}/")

        assert response.url == reverse("admin:contacts_contact_change", args=[contact.pk])

    @pytest.mark.req("R-MDB-32")
    @pytest.mark.parametrize("absent", [ABSENT, 10**30])
    def test_of_a_hidden_contact_answers_as_if_it_were_absent(self, as_rep, person, minors, absent):
        hidden = person((minors, {}))

        shown, missing = as_rep.get(f"/contact/{hidden.pk}/"), as_rep.get(f"/contact/{absent}/")

        assert (shown.status_code, shown.content) == (404, missing.content)

    def retire(self, group_id, *successors):
        for contact in successors:
            GroupAlias.objects.create(group_id=group_id, contact=contact, at=NOW)
            Move.objects.create(
                system_ref_id=refs_of(contact)[0],
                from_group=group_id,
                to_group=contact.pk,
                was_primary=False,
                is_primary=True,
                cause=Move.Cause.SPLIT,
                at=NOW,
            )

    @pytest.mark.req("R-CM-26")
    def test_of_a_retired_group_id_leads_to_its_one_visible_successor(self, as_rep, person, mlb, minors):
        ours, theirs = person((mlb, {})), person((minors, {}))
        self.retire(880_000, ours, theirs)

        response = as_rep.get("/contact/880000/")

        assert response.url == reverse("admin:contacts_contact_change", args=[ours.pk])

    @pytest.mark.req("R-CM-26")
    def test_of_a_split_group_id_lists_its_visible_successors(self, as_rep, person, mlb, minors):
        ours, also_ours, theirs = person((mlb, {})), person((mlb, {})), person((minors, {}))
        self.retire(880_000, ours, also_ours, theirs)

        response = as_rep.get("/contact/880000/")

        assert response.context["successors"] == [ours, also_ours]

    @pytest.mark.req("R-MDB-34")
    def test_of_a_group_id_that_only_hidden_refs_had_answers_404(self, as_rep, person, mlb, minors):
        contact = person((mlb, {}), (minors, {}))
        GroupAlias.objects.create(group_id=880_000, contact=contact, at=NOW)
        Move.objects.create(
            system_ref_id=refs_of(contact)[1],
            from_group=880_000,
            to_group=contact.pk,
            was_primary=True,
            is_primary=False,
            cause=Move.Cause.JOINED,
            at=NOW,
        )

        assert as_rep.get("/contact/880000/").status_code == 404


class TestByHand:
    @pytest.fixture
    def hand(self, mlb, rep):
        system = add_ticket_system("HAND-U", name="Hand", kind="hand", unit=mlb.business_unit)
        grant(rep, SystemRight.VIEW, on=system)
        grant(rep, SystemRight.CHANGE, on=system)
        return system

    ADD = "/admin/contacts/contact/add/"

    @pytest.mark.req("R-DOO-14")
    def test_a_contact_is_made_and_shown_and_nothing_personal_is_logged(self, as_rep, hand):
        unit = hand.business_unit

        response = as_rep.post(self.ADD, {"unit": unit.pk, "first_name": "Ann", "last_name": "Marlow"})

        page = as_rep.get(response.url).content.decode()
        assert "Ann Marlow" in page
        assert "HAND-U" in page
        assert not LogEntry.objects.exists()

    @pytest.mark.req("R-DOO-10", "R-DOO-11", "R-DOO-14")
    def test_an_e_mail_that_a_visible_contact_has_is_saved_after_a_notice(self, as_rep, hand, person, mlb):
        known = person((mlb, {"email": "ann@example.org"}))
        form = {"unit": hand.business_unit.pk, "last_name": "Marlow", "email": " ANN@example.org "}

        first = as_rep.post(self.ADD, form)
        notice = first.context["notice"]
        second = as_rep.post(self.ADD, {**form, "seen_notice": notice})

        assert str(known.pk) in notice
        assert "Save anyway" in first.content.decode()
        assert second.status_code == 302

    @pytest.mark.req("R-MDB-34")
    def test_an_e_mail_that_only_a_hidden_contact_has_is_saved_without_a_word(
        self, as_rep, hand, person, minors
    ):
        person((minors, {"email": "ann@example.org"}))

        response = as_rep.post(self.ADD, {"unit": hand.business_unit.pk, "email": "ann@example.org"})

        assert response.status_code == 302

    def test_a_contact_of_nothing_is_refused_with_the_reason(self, as_rep, hand):
        response = as_rep.post(self.ADD, {"unit": hand.business_unit.pk, "city": "Leeds"})

        assert response.status_code == 200
        assert "Give a name" in response.content.decode()

    def test_the_units_of_other_hand_systems_are_not_offered(self, as_rep, hand, minors):
        add_ticket_system("HAND-M", name="Hand", kind="hand", unit=minors.business_unit)

        response = as_rep.get(self.ADD)
        forged = as_rep.post(self.ADD, {"unit": minors.business_unit.pk, "last_name": "Marlow"})

        assert list(response.context["form"].fields["unit"].queryset) == [hand.business_unit]
        assert forged.status_code == 404
        assert RefusedAttempt.objects.get().path == self.ADD

    @pytest.mark.req("R-MDB-17")
    def test_someone_who_may_change_no_hand_system_is_refused(self, as_rep, mlb):
        assert as_rep.get(self.ADD).status_code == 403
        assert as_rep.post(self.ADD, {"last_name": "Marlow"}).status_code == 403

"""The sign-in page and the pages for when something is refused or goes wrong."""

import pytest
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse

from contacts.permissions import SystemRight, grant
from kore_site.roles import SALES_REPS

from ..factories import MappingFactory, SystemRefFactory, TicketSystemFactory, UserFactory

pytestmark = pytest.mark.django_db


def test_the_sign_in_page_signs_in_and_refuses_without_saying_which_part_was_wrong(client):
    user = UserFactory(role=SALES_REPS)
    user.set_password("correct horse")
    user.save()
    address = reverse("admin:login")

    unknown = client.post(address, {"username": "nobody", "password": "x"})
    wrong = client.post(address, {"username": user.username, "password": "x"})
    assert unknown.context["form"].non_field_errors() == wrong.context["form"].non_field_errors()

    right = client.post(
        address, {"username": user.username, "password": "correct horse", "next": reverse("admin:index")}
    )
    assert right.url == reverse("admin:index")


def test_a_disabled_user_cannot_sign_in(client):
    user = UserFactory(role=SALES_REPS, is_active=False)
    user.set_password("correct horse")
    user.save()

    page = client.post(reverse("admin:login"), {"username": user.username, "password": "correct horse"})

    assert page.status_code == 200
    assert page.context["form"].non_field_errors()


@pytest.mark.req("R-MDB-16")
def test_a_hidden_contact_and_an_absent_one_get_the_same_page(client):
    hidden = MappingFactory(system_ref=SystemRefFactory()).contact
    rep = UserFactory(role=SALES_REPS)
    grant(rep, SystemRight.VIEW, on=TicketSystemFactory())
    client.force_login(rep)

    pages = [
        client.get(reverse("admin:contacts_contact_change", args=[pk])) for pk in (hidden.pk, hidden.pk + 999)
    ]

    assert [page.status_code for page in pages] == [404, 404]
    assert pages[0].text == pages[1].text
    assert "There is nothing here for you" in pages[0].text


def test_a_refusal_says_whom_to_ask(client):
    client.force_login(UserFactory(role=SALES_REPS))

    page = client.get(reverse("admin:sync_nightrun_changelist"))

    assert page.status_code == 403
    assert "ask a CRM manager or an administrator" in page.text


def test_a_form_without_its_token_is_explained():
    strict = Client(enforce_csrf_checks=True)

    page = strict.post(reverse("admin:login"), {"username": "x", "password": "y"})

    assert page.status_code == 403
    assert "The form was too old to be trusted" in page.text


@pytest.mark.parametrize("template", ["400.html", "403.html", "403_csrf.html", "404.html", "500.html"])
def test_the_plain_pages_need_neither_request_nor_database(template, django_assert_num_queries):
    with django_assert_num_queries(0):
        page = render_to_string(template)

    assert "<script" not in page
    assert "style=" not in page

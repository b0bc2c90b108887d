"""A person of one unit walks every page: nothing of the other unit shows, nor that there is anything."""

import contextlib
import csv
import io

import openpyxl
import pytest
from django.contrib import admin
from django.urls import NoReverseMatch, reverse

from contacts.models import Contact, FieldChange, GroupAlias, Job, RejectedRow, SystemRef
from contacts.models.person_details import DETAIL_FIELDS
from contacts.permissions import SystemRight, grant
from contacts.services.golden import refresh_golden
from kore_site.roles import CRM_MANAGERS, SALES_REPS
from ticketing.models import Purchase

from ..factories import (
    NOW,
    MappingFactory,
    PurchaseFactory,
    SystemRefFactory,
    TicketSystemFactory,
    UserFactory,
)

pytestmark = [pytest.mark.django_db, pytest.mark.req("R-MDB-16")]

MARKER = "zqxmarker"  # long enough never to stand in a random token
ABSENT = 987654321
ROLES = [CRM_MANAGERS, SALES_REPS]


@pytest.fixture
def units():
    """Unit ours, unit theirs, a person of both whose primary is theirs, and a person of theirs alone."""
    ours = TicketSystemFactory(code="OURS", name="Our box office", is_isolated=True)
    theirs = TicketSystemFactory(code=f"{MARKER}SYS", name=f"{MARKER} office", is_isolated=True)
    shared = MappingFactory(system_ref=_marked(theirs, 1))
    MappingFactory(
        system_ref=SystemRefFactory(system=ours, system_ref="77", first_name="Ann", last_name="Marlow"),
        contact=shared.contact,
        is_primary=False,
    )
    alone = MappingFactory(system_ref=_marked(theirs, 2))
    refresh_golden([shared.contact_id, alone.contact_id], now=NOW)
    GroupAlias.objects.create(group_id=ABSENT - 1, contact=alone.contact, at=NOW)
    return {"ours": ours, "theirs": theirs, "shared": shared.contact, "alone": alone.contact}


def _marked(system, number) -> SystemRef:
    texts = {
        field: f"{MARKER}{field}{number}"[:20]
        for field in DETAIL_FIELDS
        if field not in ("date_of_birth", "country", "email")
    }
    ref = SystemRefFactory(
        system=system, system_ref=f"{MARKER}-{number}", email=f"{MARKER}{number}@example.org", **texts
    )
    PurchaseFactory(system_ref=ref, event=f"{MARKER} final", purchase_id=f"{MARKER}{number}")
    FieldChange.objects.create(
        system_ref=ref, field="phone", before=f"{MARKER}1", after=f"{MARKER}2", origin="import", at=NOW
    )
    job = Job.objects.create(
        kind="import_system_refs", system=system, file_name=f"{MARKER}.csv", created_at=NOW
    )
    RejectedRow.objects.create(job=job, line=2, reason=f"{MARKER} reason", row={"email": f"{MARKER}@x.org"})
    return ref


def visitor(role, units):
    user = UserFactory(role=role)
    for right in SystemRight:
        grant(user, right, on=units["ours"])
    return user


def pages() -> list[tuple[str, str]]:
    """Every page of the admin that takes no argument, and those of one object, by url name."""
    named = []
    for model in admin.site._registry:
        label = f"{model._meta.app_label}_{model._meta.model_name}"
        named.append((f"admin:{label}_changelist", label))
        with contextlib.suppress(NoReverseMatch):  # what is only ever made by a run has no such page
            reverse(f"admin:{label}_add")
            named.append((f"admin:{label}_add", label))
    return named


@pytest.mark.parametrize("role", ROLES)
def test_no_list_form_or_overview_shows_anything_of_the_other_unit(role, units, client):
    client.force_login(visitor(role, units))

    urls = ["/admin/", *(reverse(name) for name, _label in pages())]
    shown = {url: client.get(url, follow=True).content.decode().lower() for url in urls}

    # The names of systems and units are no records: whoever steers the systems sees those.
    steered = ("ticketsystem", "businessunit", "nightrun", "primaryrulelist", "rightsrecord")
    own_pages = steered if role == CRM_MANAGERS else ()
    leaks = [
        url for url, page in shown.items() if MARKER in page and not any(word in url for word in own_pages)
    ]
    assert leaks == []


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("term", [f"{MARKER}-1", f"{MARKER}1@example.org", "absent-term"])
def test_a_search_for_a_hidden_value_answers_as_for_one_that_never_was(role, term, units, client):
    client.force_login(visitor(role, units))

    pages = {
        name: client.get(reverse(f"admin:{name}_changelist"), {"q": term})
        for name in ("contacts_contact", "contacts_systemref")
    }

    for name, response in pages.items():
        assert response.status_code == 200, name
        assert response.context["cl"].result_count == 0, name


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("page", ["change", "history", "delete"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_hidden_record_answers_exactly_as_an_absent_one(role, page, method, units, client):
    client.force_login(visitor(role, units))
    hidden = {
        "contacts_contact": units["alone"].pk,
        "contacts_systemref": SystemRef.objects.get(system_ref=f"{MARKER}-2").pk,
        "ticketing_purchase": Purchase.objects.get(purchase_id=f"{MARKER}2").pk,
        "contacts_job": Job.objects.first().pk,
    }

    for label, pk in hidden.items():
        try:
            urls = [reverse(f"admin:{label}_{page}", args=[key]) for key in (pk, ABSENT)]
        except NoReverseMatch:
            continue
        there, absent = (getattr(client, method)(url) for url in urls)
        # A role that may not use the page at all hears 403, for what is there and for what is not.
        assert there.status_code == absent.status_code, label
        assert there.status_code in (403, 404), label
        assert MARKER not in there.content.decode().lower(), label
        assert _without_ids(there, pk) == _without_ids(absent, ABSENT), label


def _without_ids(response, pk) -> str:
    return response.content.decode().replace(f"/{pk}/", "/ID/")


@pytest.mark.parametrize("role", ROLES)
def test_the_address_of_a_hidden_contact_or_its_alias_answers_as_an_absent_one(role, units, client):
    client.force_login(visitor(role, units))

    answers = [client.get(f"/contact/{group_id}/") for group_id in (units["alone"].pk, ABSENT - 1, ABSENT)]

    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert (
        len(
            {
                _without_ids(a, pk)
                for a, pk in zip(answers, (units["alone"].pk, ABSENT - 1, ABSENT), strict=True)
            }
        )
        == 1
    )


@pytest.mark.req("R-MDB-32")
@pytest.mark.req("R-MDB-33")
@pytest.mark.parametrize("role", ROLES)
def test_a_person_of_both_units_shows_with_ours_alone(role, units, client):
    client.force_login(visitor(role, units))

    page = client.get(f"/contact/{units['shared'].pk}/", follow=True)

    assert page.status_code == 200
    text = page.content.decode()
    assert "Ann Marlow" in text
    assert MARKER not in text.lower()


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("format", ["0", "1"], ids=["csv", "xlsx"])
def test_no_export_holds_anything_of_the_other_unit(role, format, units, client):
    client.force_login(visitor(role, units))

    for page, rows in (("contacts_systemref", 1), ("contacts_contact", 1), ("ticketing_purchase", 0)):
        response = client.post(reverse(f"admin:{page}_export"), {"format": format})
        lines = _lines(b"".join(response.streaming_content), is_xlsx=format == "1")
        assert len(lines) == 1 + rows, page
        assert MARKER not in str(lines).lower(), page


def _lines(content, *, is_xlsx):
    if not is_xlsx:
        return list(csv.reader(io.StringIO(content.decode())))
    return list(openpyxl.load_workbook(io.BytesIO(content)).active.iter_rows(values_only=True))


def test_without_any_right_there_are_no_contacts(units, client):
    client.force_login(UserFactory(role=SALES_REPS))

    page = client.get(reverse("admin:contacts_contact_changelist"))

    assert page.context["cl"].result_count == 0
    assert Contact.objects.count() == 2

"""Each list's search form, sent as a browser sends it: every field, those left at "any" too."""

import re

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from contacts.services.golden import refresh_golden

from ..factories import NOW, MappingFactory, PurchaseFactory, SystemRefFactory

pytestmark = pytest.mark.django_db


@pytest.mark.req("R-MDB-14")
@pytest.mark.parametrize(
    ("page", "term"),
    [
        ("contacts_contact", "Marlow"),
        ("contacts_systemref", "Marlow"),
        ("ticketing_purchase", "P-77"),
    ],
)
def test_a_search_with_every_filter_left_at_any_finds_what_it_finds_alone(page, term, client):
    ref = SystemRefFactory(first_name="Ann", last_name="Marlow")
    mapping = MappingFactory(system_ref=ref)
    PurchaseFactory(system_ref=ref, purchase_id="P-77")
    refresh_golden([mapping.contact_id], now=NOW)
    client.force_login(User.objects.create_superuser("boss"))
    address = reverse(f"admin:{page}_changelist")
    form = client.get(address).content.decode()
    selects = re.findall(r'<select[^>]* name="([^"]+)"', form)

    sent = client.get(address, {"q": term, **dict.fromkeys(selects, "")})

    assert selects
    assert sent.context["cl"].result_count == 1

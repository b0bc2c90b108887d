"""Connecting a system and changing how it is pulled: the connector's own options; secrets only go in."""

import pytest
from django.urls import reverse
from django_q.models import Schedule

from contacts.models import TicketSystem
from ticketing.admin.connection_forms import HOURS, MINUTES, SpanField
from ticketing.connectors import KINDS
from ticketing.models import SourceConnection
from ticketing.services.connections import Wanted, save_connection, setup_of

from ...factories import NOW
from .conftest import LIST, QUERY, settings_given

pytestmark = pytest.mark.django_db

FORM = f"{LIST}add/?connector=sql_database"


def settings_of(connection: SourceConnection) -> str:
    return reverse("admin:ticketing_sourceconnection_settings", args=[connection.pk])


@pytest.fixture
def connected(mlb) -> SourceConnection:
    """MLB with a password and with a mapping."""
    wanted = Wanted(
        "sql_database",
        {"url": "postgresql://reader@db.example.com/box", "accounts_query": QUERY},
        secrets={"password": "open-sesame"},
        mapping={"accounts": {"cust_no": "system_ref"}},
    )
    return save_connection(mlb, wanted, by=None, now=NOW)


def test_the_first_page_offers_every_connector_by_its_sentence(as_admin):
    shown = as_admin.get(f"{LIST}add/").text

    assert [kind.name for kind in KINDS.values() if f"?connector={kind.name}" not in shown] == []
    assert "SQL database" in shown
    assert "option-url" not in shown


@pytest.mark.parametrize("name", KINDS)
def test_each_connector_asks_for_its_own_options(as_admin, name):
    response = as_admin.get(f"{LIST}add/?connector={name}")

    asked = {field for field in response.context["form"].fields if field.startswith(("option-", "secret-"))}
    assert asked == {
        f"{'secret' if option.is_secret else 'option'}-{option.name}" for option in KINDS[name].options
    }


def test_a_new_connection_is_saved_paused_and_tested_at_once(as_admin, mlb):
    response = as_admin.post(FORM, settings_given(system=str(mlb.pk), test="1"))

    connection = SourceConnection.objects.get()
    assert response.url == f"{LIST}{connection.pk}/change/?test"
    assert (connection.system, connection.every_minutes, connection.list_hours) == (mlb, 120, 24)
    assert connection.is_paused
    assert not Schedule.objects.filter(func="ticketing.tasks.pull").exists()


def test_a_new_connection_is_pulled_by_schedule_where_that_is_wanted(as_admin, mlb):
    as_admin.post(FORM, settings_given(system=str(mlb.pk), starts="on", save="1"))

    assert not SourceConnection.objects.get().is_paused
    assert Schedule.objects.filter(func="ticketing.tasks.pull").count() == 1


def test_what_is_missing_or_wrong_is_said_beside_its_field_and_nothing_is_saved(as_admin, mlb):
    given = settings_given(system=str(mlb.pk), every_minutes_amount="900", every_minutes_unit="days")
    del given["option-accounts_query"]
    missing = as_admin.post(FORM, given)
    given["option-accounts_query"] = QUERY
    too_long = as_admin.post(FORM, given)

    assert list(missing.context["form"].errors) == ["option-accounts_query"]
    assert list(too_long.context["form"].errors) == ["every_minutes"]
    assert 'aria-invalid="true"' in missing.text
    assert not SourceConnection.objects.exists()


def test_a_secret_left_blank_is_kept_and_one_that_is_given_replaces_it(as_admin, connected):
    form = settings_given(**{"option-url": connected.options["url"]})

    as_admin.post(settings_of(connected), form)
    kept = setup_of(connected).secrets
    as_admin.post(settings_of(connected), {**form, "secret-password": "new-password"})
    replaced = setup_of(connected).secrets
    as_admin.post(settings_of(connected), {**form, "clear-password": "on"})

    assert (kept, replaced) == ({"password": "open-sesame"}, {"password": "new-password"})
    assert setup_of(connected).secrets == {}


def test_the_form_says_when_a_secret_was_set_and_never_what_it_is(as_admin, connected):
    shown = as_admin.get(settings_of(connected)).text

    assert "leave blank to keep it" in shown
    assert "open-sesame" not in shown


def test_a_password_in_an_address_goes_among_the_credentials_even_where_the_form_is_refused(as_admin, mlb):
    given = settings_given(**{"option-url": "postgresql://me:hush%21hush@db.example.com/box"})
    refused = as_admin.post(FORM, given)
    as_admin.post(FORM, {**given, "system": str(mlb.pk)})

    connection = SourceConnection.objects.get()
    assert "postgresql://me@db.example.com/box" in refused.text
    assert "hush" not in refused.text
    assert connection.options["url"] == "postgresql://me@db.example.com/box"
    assert setup_of(connection).secrets == {"password": "hush!hush"}


def test_changing_the_schedule_keeps_the_mapping_and_what_is_read(as_admin, connected):
    url = connected.options["url"]

    as_admin.post(settings_of(connected), settings_given(**{"option-url": url, "every_minutes_amount": "3"}))

    changed = SourceConnection.objects.get()
    assert changed.every_minutes == 180
    assert (changed.mapping, changed.version) == (connected.mapping, connected.version)


def test_another_connector_is_offered_with_a_warning_and_takes_nothing_over(as_admin, connected):
    address = f"{settings_of(connected)}?connector=pretix"

    shown = as_admin.get(address)
    token = {"option-url": "https://tickets.example.com", "option-organizer": "club", "secret-token": "t0ken"}
    as_admin.post(address, settings_given(**token))

    changed = SourceConnection.objects.get()
    assert "Saving changes the connector of MLB" in shown.text
    assert (changed.connector, changed.mapping) == ("pretix", {})


def test_hand_entry_the_crm_and_systems_with_a_connection_are_not_on_offer(as_superuser, connected, minors):
    for kind in (TicketSystem.Kind.CRM, TicketSystem.Kind.BOOKINGS):
        TicketSystem.objects.create(code=kind, name=kind, kind=kind, business_unit=minors.business_unit)

    offered = as_superuser.get(FORM).context["form"].fields["system"].queryset

    assert list(offered) == [minors]


@pytest.mark.parametrize(
    ("units", "stored", "shown"),
    [
        (MINUTES, 90, [90, "minutes"]),
        (MINUTES, 120, [2, "hours"]),
        (MINUTES, 2880, [2, "days"]),
        (HOURS, 36, [36, "hours"]),
    ],
)
def test_a_span_is_shown_in_the_largest_unit_that_fits_and_read_back_alike(units, stored, shown):
    field = SpanField(units, label="Every", help_text="")

    assert field.widget.decompress(stored) == shown
    assert field.clean([str(shown[0]), shown[1]]) == stored

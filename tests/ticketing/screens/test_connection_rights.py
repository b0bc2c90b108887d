"""Who may open, pull, map and set up which connection: on every address, by role and by system."""

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from contacts.permissions import DATA_PROTECTION_OFFICERS, SystemRight, grant
from kore_site.roles import SALES_REPS
from kore_site.sidebar import sidebar
from ticketing.models import SourceConnection

from ...factories import TicketSystemFactory, UserFactory
from ...factories.connections import ConnectionFactory, PullAlarmFactory, PullRunFactory, WaitingRowFactory
from .conftest import LIST, client_of, manager_of, settings_given

pytestmark = pytest.mark.django_db

SEEN = ("change", "progress")
STEERED = ("abilities", "mapping")
POSTED = ("test", "pull", "pause", "mapping_preview")
CONNECTING = ["view_sourceconnection", "add_sourceconnection"]
ABSENT = 999_999


def address(page: str, pk: int) -> str:
    return reverse(f"admin:ticketing_sourceconnection_{page}", args=[pk])


def rejected(pk: int) -> str:
    return reverse("admin:ticketing_sourceconnection_rejected", args=[pk, "accounts"])


def statuses(client, pk: int) -> dict[str, int]:
    """What every address of a connection answers: pages to a GET, acts to a POST."""
    found = {page: client.get(address(page, pk)).status_code for page in (*SEEN, *STEERED, "settings")}
    found |= {f"post {page}": client.post(address(page, pk)).status_code for page in POSTED}
    found["post settings"] = client.post(address("settings", pk), settings_given()).status_code
    found["rejected"] = client.get(rejected(pk)).status_code
    return found


@pytest.mark.req("R-MDB-16")
def test_a_connection_of_a_system_that_may_not_be_seen_is_absent_on_every_address(as_manager, minors):
    hidden = ConnectionFactory(system=minors)

    found = statuses(as_manager, hidden.pk)

    assert set(found.values()) == {404}
    assert found == statuses(as_manager, ABSENT)


@pytest.mark.req("R-MDB-17")
def test_who_may_only_see_the_system_sees_its_connection_and_steers_nothing(mlb):
    connection = ConnectionFactory(system=mlb)
    client = client_of(manager_of(mlb, SystemRight.VIEW))

    found = statuses(client, connection.pk)

    assert {page for page, status in found.items() if status == 200} == {*SEEN, "rejected"}
    assert {status for status in found.values() if status != 200} == {403}


def test_a_manager_pulls_and_maps_but_leaves_addresses_and_credentials_to_administrators(as_manager, mlb):
    connection = ConnectionFactory(system=mlb)

    found = statuses(as_manager, connection.pk)

    assert [page for page, status in found.items() if status == 403] == ["settings", "post settings"]
    assert found["post pull"] == found["post pause"] == 302
    assert as_manager.get(f"{LIST}add/").status_code == 403


def test_an_administrator_may_do_everything(as_admin, mlb):
    connection = ConnectionFactory(system=mlb)

    assert set(statuses(as_admin, connection.pk).values()) == {200, 302}
    assert as_admin.get(f"{LIST}add/").status_code == 200


@pytest.mark.parametrize("role", [SALES_REPS, DATA_PROTECTION_OFFICERS])
def test_reps_and_officers_are_offered_no_connection_and_refused_each(role, rf, mlb):
    connection = ConnectionFactory(system=mlb)
    user = UserFactory(role=role)
    client = client_of(user)
    request = rf.get("/admin/")
    request.user = user

    offered = {item["title"] for section in sidebar(request) for item in section["items"]}

    assert "Connections" not in offered
    assert client.get(LIST).status_code == 403
    assert set(statuses(client, connection.pk).values()) == {403}


def test_the_list_shows_the_connections_of_visible_systems_alone(as_manager, mlb, minors):
    ours = ConnectionFactory(system=mlb)
    ConnectionFactory(system=minors)

    response = as_manager.get(LIST)

    assert [line.connection for line in response.context["lines"]] == [ours]
    assert "MIN" not in response.text


@pytest.mark.req("R-MDB-16")
def test_a_pull_of_a_system_that_may_not_be_seen_is_absent(as_manager, mlb, minors):
    hidden = PullRunFactory(connection=ConnectionFactory(system=minors))
    ours = PullRunFactory(connection=ConnectionFactory(system=mlb))

    pages = {
        run: [
            as_manager.get(reverse("admin:ticketing_pullrun_change", args=[run.pk])).status_code,
            as_manager.get(reverse("admin:ticketing_pullrun_progress", args=[run.pk])).status_code,
        ]
        for run in (hidden, ours)
    }
    accepted = as_manager.post(reverse("admin:ticketing_pullrun_accept", args=[hidden.pk]))

    assert pages == {hidden: [404, 404], ours: [200, 200]}
    assert accepted.status_code == 404
    listed = as_manager.get(reverse("admin:ticketing_pullrun_changelist"))
    assert list(listed.context["cl"].result_list) == [ours]


def test_a_system_of_others_cannot_be_connected_by_naming_it(mlb, minors):
    seen_only = manager_of(mlb, SystemRight.VIEW)
    seen_only.user_permissions.set(Permission.objects.filter(codename__in=CONNECTING))
    own = TicketSystemFactory()
    for right in SystemRight:
        grant(seen_only, right, on=own)
    client = client_of(seen_only)
    form = f"{LIST}add/?connector=sql_database"

    forged = client.post(form, settings_given(system=str(mlb.pk)))
    unseen = client.post(form, settings_given(system=str(minors.pk)))

    assert forged.status_code == 403
    assert list(unseen.context["form"].errors) == ["system"]
    assert not SourceConnection.objects.exists()


def test_who_is_signed_out_learns_nothing_by_asking_for_progress(client, mlb):
    connection = ConnectionFactory(system=mlb)
    run = PullRunFactory(connection=connection)

    assert client.get(address("progress", connection.pk)).status_code == 403
    assert client.get(reverse("admin:ticketing_pullrun_progress", args=[run.pk])).status_code == 403


def test_the_overview_tells_of_connections_and_alarms_of_visible_systems_alone(as_manager, mlb, minors):
    ours, theirs = ConnectionFactory(system=mlb), ConnectionFactory(system=minors)
    PullAlarmFactory(connection=ours, message="Ours fails.")
    PullAlarmFactory(connection=theirs, message="Theirs fails.")
    WaitingRowFactory(connection=theirs)

    response = as_manager.get("/admin/")

    assert [line.connection for line in response.context["connections"]] == [ours]
    assert "Theirs fails." not in response.text

"""The demonstration's live source: a button changes it, and the change travels."""

import datetime as dt
import sqlite3
from contextlib import closing

import pytest
from django.urls import reverse
from django.utils import timezone
from django_q.models import OrmQ

from contacts.models import FieldChange, SystemRef
from contacts.permissions import SystemRight, grant
from contacts.services.regroup import regroup
from kore_site.demo import load
from kore_site.demo.files import write_files
from kore_site.demo.live_source import allow_shop, connect_shop, shop_file
from kore_site.roles import CRM_MANAGERS, SALES_REPS
from tests.factories import NOW, UserFactory
from ticketing.services.submit import submit
from ticketing.tasks import pull, write_back

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(settings, tmp_path):
    """The shop, connected and pulled once."""
    settings.VAR_DIR = tmp_path
    settings.ALLOW_LOOPBACK_SOURCES = settings.SOURCE_FILE_ROOTS = None  # put back after the test
    allow_shop()
    load.found_club()
    write_files(tmp_path / "demo", refs=200, seed=7, now=NOW)
    connection = connect_shop(now=NOW)
    pull(connection_id=connection.pk)
    return connection


def somebody(client, role, connection):
    user = UserFactory(role=role)
    for right in SystemRight:
        grant(user, right, on=connection.system)
    client.force_login(user)


def test_the_button_changes_one_phone_number_and_the_pull_brings_it_into_the_history(
    client, shop, django_capture_on_commit_callbacks
):
    somebody(client, CRM_MANAGERS, shop)
    assert SystemRef.objects.count() == 10

    with django_capture_on_commit_callbacks(execute=True):
        answer = client.post(reverse("demo_change", args=[shop.pk]))

    assert answer.status_code == 302
    [task] = [queued.task for queued in OrmQ.objects.all()]
    assert task["func"] == "ticketing.tasks.pull"
    pull(**task["kwargs"])
    change = FieldChange.objects.exclude(field="").get()
    assert change.field == "mobile"
    for _ in range(2):  # the page loads itself anew, and goes on saying it
        assert change.after in client.get(answer.url).text
    # Nobody has grouped yet, so there is no contact to lead to; grouped, its history is one link away.
    regroup(now=timezone.now())
    client.post(reverse("demo_change", args=[shop.pk]))
    contact = client.session["demo_change"]["contact"]
    history = f"/admin/contacts/contact/{contact}/change/?panel=history"
    assert history in client.get(answer.url).text
    assert client.get(history).status_code == 200
    assert change.system_ref.mobile == change.after


def test_who_may_not_pull_changes_nothing_and_other_sources_have_no_such_button(client, shop):
    def numbers():
        with closing(sqlite3.connect(shop_file())) as database:
            return database.execute("SELECT number, mobile FROM customer").fetchall()

    before = numbers()
    somebody(client, SALES_REPS, shop)
    assert client.post(reverse("demo_change", args=[shop.pk])).status_code == 403
    somebody(client, CRM_MANAGERS, shop)
    assert client.get(reverse("demo_change", args=[shop.pk])).status_code == 405
    shop_file().rename(shop_file().with_name("elsewhere"))
    assert client.post(reverse("demo_change", args=[shop.pk])).status_code == 404
    shop_file().with_name("elsewhere").rename(shop_file())

    assert numbers() == before


def test_the_shop_is_the_same_for_the_same_arguments(settings, tmp_path):
    settings.VAR_DIR = tmp_path

    def written(moment):
        write_files(tmp_path / "demo", refs=200, seed=7, now=moment)
        with closing(sqlite3.connect(shop_file())) as database:
            return database.execute("SELECT * FROM customer").fetchall()

    now = timezone.now()
    assert written(now) == written(now) != written(now - dt.timedelta(days=400))


def test_a_shop_without_customers_is_told_and_nothing_fails(client, shop):
    somebody(client, CRM_MANAGERS, shop)
    with closing(sqlite3.connect(shop_file())) as database, database:
        database.execute("DELETE FROM customer")

    answer = client.post(reverse("demo_change", args=[shop.pk]), follow=True)

    assert "The shop has no customers left to change." in answer.text
    assert not OrmQ.objects.exists()


@pytest.mark.req("R-MDB-26")
def test_a_reps_submit_reaches_the_shop_and_is_written(shop, django_capture_on_commit_callbacks):
    regroup(now=timezone.now())
    rep = UserFactory(role=SALES_REPS)
    for right in SystemRight:
        grant(rep, right, on=shop.system)
    ref = SystemRef.objects.order_by("pk").first()

    with django_capture_on_commit_callbacks(execute=True):
        values = {"first_name": "Anna-Zoë", "mobile": "", "city": "York"}
        [filed] = submit(ref, values, seen=None, by=rep, now=timezone.now()).write_backs
    [task] = [queued.task for queued in OrmQ.objects.all()]
    write_back(**task["kwargs"])

    with closing(sqlite3.connect(shop_file())) as database:
        asked = "SELECT forename, mobile, town FROM customer WHERE number = ?"
        assert database.execute(asked, [ref.system_ref]).fetchone() == ("Anna-Zoë", None, "York")
    filed.refresh_from_db()
    ref.refresh_from_db()
    assert (filed.state, ref.first_name, ref.mobile) == ("written", "Anna-Zoë", "")
    pull(connection_id=shop.pk)
    ref.refresh_from_db()
    assert (ref.first_name, ref.mobile, ref.city) == ("Anna-Zoë", "", "York")

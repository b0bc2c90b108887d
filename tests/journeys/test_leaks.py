"""People of one unit walk every address: nothing of the other unit shows, nor that there is anything."""

import datetime as dt
import logging

import pytest
from django.db import connection

from contacts.models import (
    Case,
    Contact,
    FieldChange,
    GroupChange,
    GroupDecision,
    GroupRequest,
    HeldLine,
    Job,
    Move,
    ReviewAnswer,
    RightsRecord,
    SystemRef,
)
from contacts.permissions import SystemRight
from kore_site.roles import CRM_MANAGERS, SALES_REPS
from sync.services import request_night
from tests.crawler.addresses import addresses
from tests.crawler.recipes import LEFT_OUT, RECIPES, recipe_of
from tests.crawler.rows import NAMED, VALUE, of_a_unit, text_fields
from tests.crawler.units import Units
from tests.crawler.walk import Walker, differences
from ticketing.models import WriteBack

pytestmark = [pytest.mark.django_db, pytest.mark.req("R-MDB-16"), pytest.mark.slow]

# Where a manager sees what reps do not, by the beginning of the address. No record is among it.
TOLD_TO_WHO_STEERS = {
    "/admin/contacts/ticketsystem/": "every system with name and settings, for somebody has to isolate it",
    "/admin/contacts/businessunit/": "the units, likewise",
    "/admin/contacts/rightsrecord/": "who holds which right on which system: names of systems and people",
    "/admin/contacts/organisation/": "how many systems are isolated, beside the switch of the CRM lock",
    "/admin/sync/nightrun/run/": "how many System Refs the organisation has, which all go into a night",
}
# To part, or to take back, takes sight of every ref of the person: with one hidden these doors are closed to
# whoever they were open to, and what they say of it shows nothing of theirs.
CLOSED_BY_WHAT_IS_HIDDEN = (
    "POST /admin/contacts/contact/{shared}/ungroup/",
    "POST /admin/contacts/contact/{shared}/split/",
    "POST /admin/contacts/contact/ 5",
    "POST /admin/contacts/groupchange/{change}/undo/",
)
# Reports tell in totals what the reader may not see (R-MDB-21): those differ, and nothing else does.
TOTALS = ("/reports/",)
# Pages that are others to whoever may see but not change.
SAYS_WHY_NOT = ("contact", "tdm:contact", "admin:contacts_contact_change", "admin:contacts_systemref_change")


@pytest.fixture(autouse=True)
def quiet(caplog):
    """Thousands of refusals are what this is about."""
    for name in ("django.request", "kore_site.refusals", "contacts.admin_files"):
        caplog.set_level(logging.CRITICAL, name)


@pytest.fixture(autouse=True)
def a_walk_takes_as_long_as_it_takes(monkeypatch):
    """No cluster works here: on a slow machine what a page filed would lie for minutes, and be told of."""
    for patience in ("TAKEN_WITHIN", "SCHEDULED_WITHIN"):
        monkeypatch.setattr(request_night, patience, dt.timedelta(days=1))


@pytest.fixture
def ids_of_eight_digits(db):
    """What a form makes is known as new by its id; PostgreSQL's sequences go on through a rollback."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            for model in (
                *(Contact, SystemRef, FieldChange, Job, Move, WriteBack, RightsRecord),
                *(GroupRequest, GroupDecision, ReviewAnswer, Case, HeldLine),
            ):
                table = model._meta.db_table
                cursor.execute("SELECT setval(pg_get_serial_sequence(%s, 'id'), 10000000)", [table])


def test_the_crawler_knows_every_address():
    unknown = [address.key for address in addresses() if recipe_of(address) is None]

    assert [key for key in unknown if key not in LEFT_OUT] == [], (
        "Add what the crawler sends and asks there to RECIPES or GROUP_RECIPES in tests/crawler."
    )


def test_the_crawler_knows_no_address_that_is_gone():
    known = {address.key for address in addresses()}

    assert [key for key in (*RECIPES, *LEFT_OUT) if key not in known] == []


def test_every_text_of_the_other_unit_is_marked():
    units = Units()
    units.add_theirs()

    for model in of_a_unit():
        rows = units.theirs.made.get(model)
        assert rows, f"{model.__name__} has no row: see tests/crawler/units.py"
        stands = model._base_manager.filter(pk__in=[row.pk for row in rows])
        for column in text_fields(model):
            written = str(list(stands.values_list(column.attname, flat=True)))
            assert VALUE in written or NAMED in written, f"{model.__name__}.{column.name} is not marked"


@pytest.mark.parametrize(
    ("model", "refs"),
    [(GroupRequest, "refs"), (ReviewAnswer, "members"), (Case, "refs"), (HeldLine, "refs")],
)
def test_what_has_lost_its_last_system_ref_is_shown_to_nobody_of_a_unit(model, refs):
    units = Units()
    manager = units.visitor(CRM_MANAGERS, *SystemRight)
    ours = units.ours.made[model]
    assert set(model.objects.visible_to(manager)) == {*ours}

    getattr(ours[0], refs).all().delete()

    assert set(model.objects.visible_to(manager)) == {*ours[1:]}


@pytest.mark.req("R-MDB-15")
@pytest.mark.req("R-MDB-22")
@pytest.mark.req("R-MDB-32")
@pytest.mark.req("R-MDB-33")
@pytest.mark.req("R-MDB-34")
@pytest.mark.usefixtures("ids_of_eight_digits")
def test_no_page_differs_by_what_the_other_unit_has_and_none_shows_it():
    units = Units()
    rep = Walker(units.visitor(SALES_REPS, *SystemRight))
    manager = Walker(units.visitor(CRM_MANAGERS, *SystemRight), may_read=TOLD_TO_WHO_STEERS, like=rep)
    viewer = Walker(units.visitor(SALES_REPS, SystemRight.VIEW), only=SAYS_WHY_NOT)
    walkers = {"rep": rep, "manager": manager, "viewer": viewer}
    ours = units.our_side()

    change = units.ours.made[GroupChange][0].pk
    closed = [door.format(shared=units.shared.pk, change=change) for door in CLOSED_BY_WHAT_IS_HIDDEN]
    before = {name: walker.walk(ours) for name, walker in walkers.items()}
    world = units.add_theirs()
    after = {name: walker.walk(ours) for name, walker in walkers.items()}

    for name, walker in walkers.items():
        told = differences(
            before[name], after[name], apart_from=(*walker.may_read, *closed), totals_at=TOTALS
        )
        assert told == [], name
        assert walker.what_hidden_answers(world) == [], name
        assert walker.wrong == [], name


@pytest.mark.req("R-MDB-32")
def test_without_any_right_ours_is_as_hidden_as_what_never_was():
    units = Units()
    stranger = Walker(units.visitor(SALES_REPS))
    world = units.add_theirs()
    world.far = world.near = world.ours

    stranger.walk(world.absent)

    assert stranger.what_hidden_answers(world) == []
    assert stranger.wrong == []

"""Model versions on the screen: who sees them, who may put one in force, and whose examples are shown."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from contacts.grouping.model import Model
from contacts.models import ModelEstimate, ModelVersion
from contacts.permissions import SystemRight, grant
from contacts.services.grouping_model import store_model
from contacts.services.model_refresh import refresh_when_due
from contacts.services.regroup import regroup
from kore_site.roles import CRM_MANAGERS

from ...factories import NOW, SystemRefFactory, UserFactory
from .conftest import text_of

LIST = "/admin/contacts/modelversion/"
pytestmark = pytest.mark.django_db


@pytest.fixture
def manager(mlb, minors):
    """A CRM manager who may see MLB, and not yet the Minors."""
    user = UserFactory(username="manager", role=CRM_MANAGERS)
    grant(user, SystemRight.VIEW, on=mlb)
    return user


def as_(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


def proposed(*refs) -> ModelVersion:
    example = {
        "kind": "join", "rule": "", "refs": 2, "left": [refs[0].pk], "right": [refs[1].pk], "others": []
    }  # fmt: skip
    differences = {
        "compared_with": None, "groups_before": 2, "groups_after": 1, "joined": 1, "split": 0,
        "examples": [example],
    }  # fmt: skip
    return store_model(
        Model.preset(2, hash_key=b"key"),
        now=NOW,
        source=ModelVersion.Source.ESTIMATE,
        reason="Learnt from about 900 pairs.",
        differences=differences,
        in_force=False,
    )


def test_a_rep_is_refused_and_a_manager_reads(rep, manager, mlb, minors):
    version = proposed(SystemRefFactory(system=mlb), SystemRefFactory(system=minors))
    page = f"{LIST}{version.number}/"

    statuses = [as_(user).get(address).status_code for user in (rep, manager) for address in (LIST, page)]

    assert statuses == [403, 403, 200, 200]


def test_examples_and_the_button_are_for_those_who_see_every_system(manager, mlb, minors):
    version = proposed(SystemRefFactory(system=mlb, first_name="Wilhelmina"), SystemRefFactory(system=minors))
    page = f"{LIST}{version.number}/"

    before = text_of(as_(manager).get(page))
    refused = as_(manager).post(f"{page}activate/")
    grant(manager, SystemRight.VIEW, on=minors)
    after = text_of(as_(manager).get(page))
    done = as_(manager).post(f"{page}activate/")

    assert ("Wilhelmina" in before, "No examples for you" in before) == (False, True)
    assert ("Wilhelmina" in after, "Put Model 1 in force" in after) == (True, True)
    assert (refused.status_code, done.status_code) == (403, 302)
    assert ModelVersion.objects.get(is_active=True) == version


def test_an_estimate_is_asked_for_once_and_only_by_who_sees_every_system(manager, minors):
    refused = as_(manager).post(f"{LIST}estimate/")
    grant(manager, SystemRight.VIEW, on=minors)
    as_(manager).post(f"{LIST}estimate/")
    as_(manager).post(f"{LIST}estimate/")

    assert refused.status_code == 403
    assert ModelEstimate.objects.count() == 1
    asked = ModelEstimate.objects.get()
    assert as_(manager).get(f"{LIST}progress/{asked.pk}/").status_code == 200
    assert "step 1 of 4" in text_of(as_(manager).get(LIST))


def test_no_page_shows_a_hash_or_the_key(manager, mlb, minors):
    version = proposed(SystemRefFactory(system=mlb), SystemRefFactory(system=minors))

    page = text_of(as_(manager).get(f"{LIST}{version.number}/"))

    assert version.settings["key_check"] not in page


def test_the_list_asks_as_much_for_three_versions_as_for_one(manager, mlb, minors, django_assert_num_queries):
    refs = SystemRefFactory(system=mlb), SystemRefFactory(system=minors)
    proposed(*refs)
    client = as_(manager)
    client.get(LIST)

    with CaptureQueriesContext(connection) as one:
        client.get(LIST)
    proposed(*refs)
    proposed(*refs)

    with django_assert_num_queries(len(one)):
        client.get(LIST)


@pytest.mark.req("D-26")
def test_a_version_that_a_held_run_left_says_that_it_waits_and_levels_are_called_as_in_why_together(
    manager, mlb
):
    SystemRefFactory(system=mlb)
    refresh_when_due(now=NOW)

    listed, page = text_of(as_(manager).get(LIST)), text_of(as_(manager).get(f"{LIST}1/"))
    regroup(now=NOW)
    after = text_of(as_(manager).get(LIST))

    assert ["waits for a run" in text for text in (listed, page, after)] == [True, True, False]
    assert ["never in force" in text for text in (listed, page, after)] == [False, False, False]
    assert '<td class="k-nowrap">the same</td>' in page
    assert '<td class="k-nowrap">exact</td>' not in page

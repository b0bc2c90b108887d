"""Why an account cannot be changed, and who can help it."""

import pytest

from contacts.permissions import SystemRight, grant
from contacts.system_rights import ask_whom, why_unchangeable
from kore_site.roles import CRM_MANAGERS, SALES_REPS

from ..factories import SystemRefFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.mark.req("R-MDB-27")
def test_the_missing_right_is_named_with_those_who_can_grant_it():
    ref, rep = SystemRefFactory(system__code="MIN"), UserFactory(role=SALES_REPS)
    UserFactory(role=CRM_MANAGERS, first_name="Jo", last_name="Diaz")
    grant(rep, SystemRight.VIEW, on=ref.system)

    assert why_unchangeable(rep, ref) == "You may see but not change accounts of MIN. Ask: Jo Diaz."


def test_where_no_manager_is_a_superuser_can_help():
    ref, rep = SystemRefFactory(system__code="MIN"), UserFactory(role=SALES_REPS)
    UserFactory(is_superuser=True, username="root")
    grant(rep, SystemRight.VIEW, on=ref.system)

    assert why_unchangeable(rep, ref).endswith("Ask: root.")


def test_with_the_right_nothing_is_in_the_way():
    ref, rep = SystemRefFactory(), UserFactory(role=SALES_REPS)
    for right in SystemRight:
        grant(rep, right, on=ref.system)

    assert why_unchangeable(rep, ref) == ""


@pytest.mark.req("R-MDB-27")
def test_for_a_groups_rights_nobody_of_the_group_is_named():
    manager = UserFactory(role=CRM_MANAGERS)
    UserFactory(role=CRM_MANAGERS, first_name="Jo", last_name="Diaz")
    UserFactory(is_superuser=True, username="root")

    assert ask_whom(manager) == "Ask: Jo Diaz."
    assert ask_whom(manager, for_group=manager.groups.get()) == "Ask: root."

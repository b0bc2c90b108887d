"""The roles: one table, applied exactly, with the cluster as its own user."""

import pytest
from django.contrib.auth.models import Group, Permission, User

from contacts.permissions import ADMINISTRATORS
from kore_site.roles import CLUSTER_USER, CRM_MANAGERS, ROLES, SALES_REPS, apply_roles

from ..factories import UserFactory

pytestmark = pytest.mark.django_db


@pytest.mark.req("R-SYS-3")
@pytest.mark.parametrize("role", ROLES)
def test_each_role_holds_exactly_the_permissions_of_the_table(role):
    group = Group.objects.get(name=role)

    held = {
        f"{p.content_type.app_label}.{p.codename}" for p in group.permissions.select_related("content_type")
    }

    assert held == set(ROLES[role])


@pytest.mark.req("R-SYS-3")
def test_the_cluster_has_a_user_that_nobody_can_sign_in_as():
    cluster = User.objects.get(username=CLUSTER_USER)

    assert not cluster.has_usable_password()
    assert not cluster.is_staff


def test_a_permission_given_to_a_role_by_hand_is_taken_back_at_the_next_migrate():
    reps = Group.objects.get(name=SALES_REPS)
    reps.permissions.add(Permission.objects.get(codename="change_user"))

    apply_roles()

    assert not reps.permissions.filter(codename="change_user").exists()


@pytest.mark.parametrize("role", ROLES)
def test_no_role_may_change_users_groups_or_rights(role):
    user = UserFactory(role=role)

    assert not any(
        user.has_perm(f"{app}.{verb}_{model}")
        for app, model in [("auth", "user"), ("auth", "group"), ("auth", "permission")]
        for verb in ("add", "change", "delete")
    )


@pytest.mark.req("R-SYS-3", "R-MDB-18", "R-MDB-31")
@pytest.mark.parametrize("role", ROLES)
def test_managers_and_administrators_alone_decide_about_rights_and_lift_the_lock_of_crm_fields(role):
    user = UserFactory(role=role)

    asked = ("contacts.grant_rights", "contacts.view_as_user", "contacts.change_organisation")

    assert {name: user.has_perm(name) for name in asked} == dict.fromkeys(
        asked, role in (ADMINISTRATORS, CRM_MANAGERS)
    )


def test_managers_steer_and_reps_do_not():
    manager, rep = UserFactory(role=CRM_MANAGERS), UserFactory(role=SALES_REPS)

    assert manager.has_perm("contacts.change_ticketsystem")
    assert not rep.has_perm("contacts.change_ticketsystem")

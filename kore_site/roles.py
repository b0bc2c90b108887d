"""The roles and what each may do, as one table, applied whenever permissions are made (post_migrate)."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib.auth.models import Group, Permission, User
from django.db.models import Q

from contacts.permissions import ADMINISTRATORS, CLUSTER_USER, DATA_PROTECTION_OFFICERS

CRM_MANAGERS = "CRM manager"
SALES_REPS = "Sales rep"

_SEE_PEOPLE = (
    "contacts.view_contact",
    "contacts.view_systemref",
    "contacts.view_fieldchange",
    "contacts.view_ticketsystem",
    "contacts.view_businessunit",
    "ticketing.view_purchase",
    "ticketing.view_writeback",
    "contacts.view_heldvalue",
)
_EDIT_PEOPLE = ("contacts.add_contact", "contacts.change_contact", "contacts.change_systemref")
_BRING_IN = ("contacts.add_systemref", "contacts.add_job", "contacts.view_job", "ticketing.add_purchase")
_SEE_NIGHTS = ("sync.view_nightrun", "sync.view_nightstep")
_STEER = (
    "contacts.view_ruleset",
    "contacts.add_ruleset",
    "contacts.view_modelversion",
    "contacts.change_modelversion",
    "contacts.add_ticketsystem",
    "contacts.change_ticketsystem",
    "contacts.add_businessunit",
    "contacts.change_businessunit",
    "contacts.view_organisation",
    "contacts.change_organisation",
    "contacts.view_primaryrulelist",
    "contacts.add_primaryrulelist",
    "sync.add_nightrun",
    "sync.release_nightrun",
)

# Who sees and changes which system, by "Ticket System User Permission" (R-MDB-18, 19).
_DECIDE_RIGHTS = (
    "contacts.view_rightsrecord",
    "contacts.view_refusedattempt",
    "contacts.grant_rights",
    "contacts.view_as_user",
)

# Grouping, its requests and plan, the review queue, and cases about records (R-CM-27).
_GROUP = (
    "contacts.group_contacts",
    "contacts.view_grouprequest",
    "contacts.view_groupchange",
    "contacts.view_groupdecision",
    "contacts.view_heldline",
    "contacts.view_reviewanswer",
    "contacts.view_case",
    "contacts.add_case",
    "contacts.change_case",
    "sync.view_nightplan",
)

# Pulls by schedule and by hand, and what the columns of a source mean.
_SEE_PULLS = (
    "ticketing.view_sourceconnection",
    "ticketing.view_pullrun",
    "ticketing.view_waitingrow",
    "ticketing.view_pullalarm",
)
_STEER_PULLS = (*_SEE_PULLS, "ticketing.pull_sourceconnection")
# Addresses, credentials and schedules: who sets these decides what this installation talks to.
_CONNECT = ("ticketing.add_sourceconnection", "ticketing.change_sourceconnection")

# The names of the lists that only administrators open; the lists themselves ask for the role as well.
_WATCH_THE_CLUSTER = tuple(f"django_q.view_{name}" for name in ("success", "failure", "ormq", "schedule"))

# What a role may do at all. Which systems' records it may do it with is granted per system, beside this.
ROLES: Mapping[str, Sequence[str]] = {
    ADMINISTRATORS: (
        *_SEE_PEOPLE,
        *_EDIT_PEOPLE,
        *_BRING_IN,
        *_SEE_NIGHTS,
        *_STEER,
        *_DECIDE_RIGHTS,
        *_GROUP,
        "contacts.process_grouprequest",
        *_STEER_PULLS,
        *_CONNECT,
        *_WATCH_THE_CLUSTER,
    ),
    CRM_MANAGERS: (
        *_SEE_PEOPLE,
        *_EDIT_PEOPLE,
        *_BRING_IN,
        *_SEE_NIGHTS,
        *_STEER,
        *_DECIDE_RIGHTS,
        *_GROUP,
        *_STEER_PULLS,
    ),
    SALES_REPS: (*_SEE_PEOPLE, *_EDIT_PEOPLE),
    DATA_PROTECTION_OFFICERS: (*_SEE_PEOPLE, *_EDIT_PEOPLE, "contacts.view_ruleset"),
}


def apply_roles(**_: Any) -> None:
    """Make each role exactly what the table says, and the cluster's own user, who cannot sign in.

    Runs after every migrate; running it again changes nothing.
    """
    for role, names in ROLES.items():
        group, _made = Group.objects.get_or_create(name=role)
        group.permissions.set(_permissions(names))
    cluster, made = User.objects.get_or_create(username=CLUSTER_USER)
    if made:
        cluster.set_unusable_password()
        cluster.save()


def _permissions(names: Sequence[str]) -> list[Permission]:
    wanted = Q()
    for name in names:
        app, codename = name.split(".")
        wanted |= Q(content_type__app_label=app, codename=codename)
    found = list(Permission.objects.filter(wanted))
    if len(found) != len(set(names)):
        known = {f"{p.content_type.app_label}.{p.codename}" for p in found}
        raise LookupError(f"No such permissions: {', '.join(sorted(set(names) - known))}")
    return found

"""Per-system rights, named once and asked in one way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.apps import apps
from django.contrib.auth.models import Group
from django.db import models
from guardian.shortcuts import assign_perm, get_objects_for_user

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

    from contacts.models import TicketSystem

# Groups whose members hold every right on every system, later ones too (DECISIONS 11).
ADMINISTRATORS = "Administrator"
DATA_PROTECTION_OFFICERS = "Data protection officer"
GROUPS_WITH_EVERY_SYSTEM = (ADMINISTRATORS, DATA_PROTECTION_OFFICERS)
# The background cluster works as a user of its own, who cannot sign in.
CLUSTER_USER = "cluster"


class SystemRight(models.TextChoices):
    """What a person may do with the records of one ticket system. CHANGE without VIEW opens nothing."""

    VIEW = "view_records", "see its records"
    CHANGE = "change_records", "change its records"


def systems_with(user: User | AnonymousUser, right: SystemRight) -> frozenset[int]:
    """Ids of the ticket systems on which the user holds the right, own or through a group.

    Global grants do not count: a right is always held on a system. A superuser holds all, someone inactive
    or anonymous none. Asked of the database once per user object, which lives as long as a request, so that
    a right taken away bites at the next one (R-MDB-30).
    """
    if not user.is_active:
        return frozenset()
    known: dict[str, frozenset[int]] = user.__dict__.setdefault("_systems_with", {})
    if right not in known:
        systems = _ticket_systems()
        if not user.is_superuser:
            systems = get_objects_for_user(user, right.value, klass=systems, accept_global_perms=False)
        known[right] = frozenset(systems.values_list("pk", flat=True))
    return known[right]


def sees_every_system(user: User | AnonymousUser, right: SystemRight = SystemRight.VIEW) -> bool:
    """Whether nothing has to be left out for this user; one more query per user object."""
    if user.is_active and user.is_superuser:
        return True
    if "_every_system" not in user.__dict__:
        user.__dict__["_every_system"] = frozenset(_ticket_systems().values_list("pk", flat=True))
    return systems_with(user, right) >= user.__dict__["_every_system"]


def holds(user: User | AnonymousUser, right: SystemRight, system: TicketSystem) -> bool:
    """Whether the user holds the right on this system. CHANGE always needs VIEW as well."""
    if right is SystemRight.CHANGE and system.pk not in systems_with(user, SystemRight.VIEW):
        return False
    return system.pk in systems_with(user, right)


def grant(to: User | Group, right: SystemRight, *, on: TicketSystem) -> None:
    """Give a user or a group one right on one system. Granting twice changes nothing."""
    assign_perm(right.value, to, on)
    to.__dict__.pop("_systems_with", None)


def _ticket_systems() -> models.QuerySet[TicketSystem]:
    # By name: the model itself declares these rights and imports this module.
    return apps.get_model("contacts", "TicketSystem")._default_manager.all()

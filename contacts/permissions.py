"""Per-system rights, named once and asked in one way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.db import models

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

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
    or anonymous none.
    """
    return frozenset(system.pk for system in systems_of(user, right))


def sees_every_system(user: User | AnonymousUser, right: SystemRight = SystemRight.VIEW) -> bool:
    """Whether nothing has to be left out for this user."""
    if user.is_active and user.is_superuser:
        return True
    return user.is_active and len(systems_of(user, right)) == len(_every_system(user))


def systems_of(user: User | AnonymousUser, right: SystemRight = SystemRight.VIEW) -> list[TicketSystem]:
    """The systems on which the user holds the right, with their units, in the order of their ranks.

    All rights on all systems are asked of the database once per user object, which lives as long as a
    request, so that a right taken away bites at the next one (R-MDB-30).
    """
    if not user.is_active:
        return []
    systems = _every_system(user)
    return systems if user.is_superuser else [system for system in systems if getattr(system, right.name)]


def _every_system(user: User | AnonymousUser) -> list[Any]:
    """Every system; each has, named after each right, whether the user holds it."""
    if "_every_system" not in user.__dict__:
        systems = _ticket_systems().select_related("business_unit").order_by("rank", "code")
        if not user.is_superuser:
            systems = systems.annotate(**{right.name: _held(user, right) for right in SystemRight})
        user.__dict__["_every_system"] = list(systems)
    return user.__dict__["_every_system"]


def _held(user: User | AnonymousUser, right: SystemRight) -> models.Q:
    """Whether the right on a system is the user's own or one of their groups'; by guardian's tables."""
    system = models.OuterRef("pk")
    asked = {"content_object": system, "permission__codename": right.value}
    own, through_groups = (grants_of(kind).filter(**asked) for kind in (User, Group))
    return models.Q(
        models.Exists(own.filter(user=user)) | models.Exists(through_groups.filter(group__user=user))
    )


def holds(user: User | AnonymousUser, right: SystemRight, system: TicketSystem) -> bool:
    """Whether the user holds the right on this system. CHANGE always needs VIEW as well."""
    if right is SystemRight.CHANGE and system.pk not in systems_with(user, SystemRight.VIEW):
        return False
    return system.pk in systems_with(user, right)


def grant(to: User | Group, right: SystemRight, *, on: TicketSystem) -> bool:
    """Give a user or a group one right on one system; returns whether it was new. Twice changes nothing.

    Without asking who gives it, and without a record: `contacts.services.rights` does both.
    """
    holder: dict[str, Any] = {holder_field(type(to)): to}
    _grant, made = grants_of(type(to)).get_or_create(
        permission=permission_of(right), content_object=on, **holder
    )
    to.__dict__.pop("_every_system", None)
    return made


def withdraw(of: User | Group, right: SystemRight, *, on: TicketSystem) -> bool:
    """Take one right on one system away; returns whether it was there. The counterpart of `grant`."""
    held = grants_of(type(of)).filter(
        permission__codename=right.value, content_object=on, **{holder_field(type(of)): of}
    )
    of.__dict__.pop("_every_system", None)
    return held.delete()[0] > 0


def grants_of(kind: type[User] | type[Group]) -> models.QuerySet[Any]:
    """The rights on systems that users, or groups, hold themselves; the only door to guardian's tables."""
    name = "Group" if issubclass(kind, Group) else "User"
    return apps.get_model("contacts", f"TicketSystem{name}ObjectPermission")._default_manager.filter(
        permission__codename__in=SystemRight.values
    )


def holder_field(kind: type[User] | type[Group]) -> str:
    """What the table of `grants_of` calls those who hold: "user" or "group"."""
    return "group" if issubclass(kind, Group) else "user"


def permission_of(right: SystemRight) -> Permission:
    """The row that stands for the right in guardian's tables."""
    return Permission.objects.get(
        codename=right.value, content_type__app_label="contacts", content_type__model="ticketsystem"
    )


def _ticket_systems() -> models.QuerySet[TicketSystem]:
    # By name: the model itself declares these rights and imports this module.
    return apps.get_model("contacts", "TicketSystem")._default_manager.all()

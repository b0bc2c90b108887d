"""The people at work in the demonstration: who may sign in, and what they may do."""

import datetime as dt

from django.contrib.auth.models import Group, User
from django.db import transaction

from contacts.models import TicketSystem
from contacts.permissions import SystemRight
from contacts.services.rights import RightChange, change_rights
from kore_site.demo.club import ADMIN, MANAGER, MARINERS, MEMBERS, REP, STAFF, Person
from kore_site.roles import CRM_MANAGERS


@transaction.atomic
def hire(*, now: dt.datetime) -> None:
    """Make the four users and give them what they may see; nobody can sign in yet. Safe to repeat.

    Administrators and officers see every system by their role; the managers are given each. The rep is given
    the Mariners' systems by the manager, and sees those of the members without changing them.
    """
    users = {person: _user(person) for person in STAFF}
    managers = Group.objects.get(name=CRM_MANAGERS)
    systems = list(TicketSystem.objects.select_related("business_unit").order_by("rank", "code"))
    for_managers = [
        RightChange(managers, right, system, give=True) for system in systems for right in SystemRight
    ]
    change_rights(for_managers, by=users[ADMIN], now=now - dt.timedelta(days=9))
    for_rep = [
        RightChange(users[REP], right, system, give=True)
        for system in systems
        if system.business_unit.code == MARINERS.code
        for right in SystemRight
        if right is SystemRight.VIEW or system.code != MEMBERS.code
    ]
    change_rights(for_rep, by=users[MANAGER], now=now - dt.timedelta(days=8))


def set_passwords(password: str) -> int:
    """Let those of the four users who are there sign in with this password; returns how many."""
    users = list(User.objects.filter(username__in=[person.username for person in STAFF]))
    for user in users:
        user.set_password(password)
        user.save()
    return len(users)


def _user(person: Person) -> User:
    user, made = User.objects.update_or_create(
        username=person.username,
        defaults={
            "first_name": person.first_name,
            "last_name": person.last_name,
            "email": f"{person.username}@example.org",
            "is_staff": True,
            "is_active": True,
            "is_superuser": person is ADMIN,
        },
    )
    if made:
        user.set_unusable_password()
        user.save()
    user.groups.add(Group.objects.get(name=person.role))
    return user

"""The people at work in the demonstration: who may sign in, and what they may do."""

from django.contrib.auth.models import Group, User
from django.db import transaction

from contacts.models import TicketSystem
from contacts.permissions import SystemRight, grant
from kore_site.demo.club import ADMIN, MARINERS, REP, STAFF
from kore_site.roles import CRM_MANAGERS


@transaction.atomic
def hire(*, password: str) -> None:
    """Make the four users with this password and what they may see; doing it again changes the password only.

    Administrators and officers see every system by their role; the manager is given each, the rep only those
    of the Mariners.
    """
    for person in STAFF:
        user, _made = User.objects.update_or_create(
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
        user.set_password(password)
        user.save()
        user.groups.add(Group.objects.get(name=person.role))
    managers, rep = Group.objects.get(name=CRM_MANAGERS), User.objects.get(username=REP.username)
    for system in TicketSystem.objects.select_related("business_unit"):
        for right in SystemRight:
            grant(managers, right, on=system)
            if system.business_unit.code == MARINERS.code:
                grant(rep, right, on=system)


def set_passwords(password: str) -> int:
    """Give those of the four users who are there this password; returns how many."""
    users = list(User.objects.filter(username__in=[person.username for person in STAFF]))
    for user in users:
        user.set_password(password)
        user.save()
    return len(users)

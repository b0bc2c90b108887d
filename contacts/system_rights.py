"""Who may see or change a system's records, and where each person has that right from."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from django.contrib.auth.models import AnonymousUser, Group, Permission, User
from django.db.models import Exists, OuterRef, Q

from contacts.models import SystemRef, TicketSystem
from contacts.permissions import SystemRight, grants_of, holds

OWN = "own"
SUPERUSER = "superuser"
NAMED = 3  # of those who can grant a right; more names help nobody


@dataclass
class Holder:
    """A person and the sources of each right: "own", "superuser", or a group's name."""

    user: User
    sees_by: list[str] = field(default_factory=list)
    changes_by: list[str] = field(default_factory=list)

    def add(self, right: str, source: str) -> None:
        (self.sees_by if right == SystemRight.VIEW else self.changes_by).append(source)

    @property
    def may_change(self) -> bool:
        """CHANGE without VIEW opens nothing."""
        return bool(self.sees_by and self.changes_by)


def right_holders(system: TicketSystem) -> list[Holder]:
    """Everybody active who holds a right on the system, by name; four queries whatever their number."""
    holders: dict[int, Holder] = {}

    def note(users: Iterable[User], right: str, source: str) -> None:
        for user in users:
            if user.is_active:
                holders.setdefault(user.pk, Holder(user)).add(right, source)

    rights = [right.value for right in SystemRight]
    for own in grants_of(User).filter(content_object=system).select_related("user", "permission"):
        note([own.user], own.permission.codename, OWN)
    through_groups = (
        grants_of(Group)
        .filter(content_object=system)
        .select_related("group", "permission")
        .prefetch_related("group__user_set")
        .order_by("group__name")
    )
    for given in through_groups:
        note(given.group.user_set.all(), given.permission.codename, given.group.name)
    for user in User.objects.filter(is_superuser=True):
        for right in rights:
            note([user], right, SUPERUSER)
    return sorted(holders.values(), key=lambda holder: holder.user.get_username())


def why_unchangeable(user: User, ref: SystemRef) -> str:
    """Why this user cannot change this account, and who can help it, as sentences; blank where they can.

    One query where the right is missing, else none.
    """
    if ref.why_unchangeable:
        return ref.why_unchangeable
    if not user.has_perm("contacts.change_systemref"):
        return f"Your role changes no accounts. {ask_whom(user)}"
    if not holds(user, SystemRight.CHANGE, ref.system):
        return f"You may see but not change accounts of {ref.system.code}. {ask_whom(user)}"
    return ""


def why_unseen(user: User | AnonymousUser, system: TicketSystem) -> str:
    """Why this user sees no record of a system they made or set up, and who can help; blank where they see.

    Asks the database anew, as the system may be younger than what is known of the user's rights.
    """
    seeing = User.objects.filter(pk=user.pk).first()
    if seeing is not None and holds(seeing, SystemRight.VIEW, system):
        return ""
    return f"You do not see the records of {system.code} yet: nobody grants themselves. {ask_whom(user)}"


def ask_whom(user: User | AnonymousUser, *, for_group: Group | None = None) -> str:
    """Who can grant rights to this user, or to a group they are in, by name: "Ask: J. Diaz." """
    names = [person.get_full_name() or person.get_username() for person in _grantors(user, for_group)]
    return f"Ask: {', '.join(names)}." if names else "Ask an administrator."


def _grantors(user: User | AnonymousUser, for_group: Group | None) -> list[User]:
    """Some who decide about rights; superusers only where nobody else does.

    A group's rights are decided by those who are not in it, and by superusers: nobody grants themselves.
    """
    deciding = Permission.objects.filter(codename="grant_rights", content_type__app_label="contacts")
    others = User.objects.filter(is_active=True).exclude(pk=user.pk)
    own = User.user_permissions.through.objects.filter(permission__in=deciding, user=OuterRef("pk"))
    by_group = User.groups.through.objects.filter(group__permissions__in=deciding, user=OuterRef("pk"))
    managers = Q(Exists(own) | Exists(by_group), is_superuser=False)
    if for_group is not None:
        managers &= ~Q(groups=for_group)
    found = others.filter(managers | Q(is_superuser=True)).order_by("is_superuser", "last_name", "username")
    named = list(found[:NAMED])
    return [person for person in named if person.is_superuser == named[0].is_superuser]

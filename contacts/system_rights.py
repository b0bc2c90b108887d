"""Who may see or change a system's records, and where each person has that right from."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from django.contrib.auth.models import User

from contacts.models import (
    TicketSystem,
    TicketSystemGroupObjectPermission,
    TicketSystemUserObjectPermission,
)
from contacts.permissions import SystemRight

OWN = "own"
SUPERUSER = "superuser"


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
    own = TicketSystemUserObjectPermission.objects.filter(
        content_object=system, permission__codename__in=rights
    ).select_related("user", "permission")
    for grant in own:
        note([grant.user], grant.permission.codename, OWN)
    through_groups = (
        TicketSystemGroupObjectPermission.objects.filter(
            content_object=system, permission__codename__in=rights
        )
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

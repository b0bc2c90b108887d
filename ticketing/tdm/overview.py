"""What the first page says of the TDM: my write-backs to a rep, and what needs somebody to a manager."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Count, Q

from contacts.models import HeldValue
from ticketing.models import WriteBack

SHOWN = 6
State = WriteBack.State


@dataclass(frozen=True)
class Work:
    """Write-backs in figures and the newest few that are still open, with the conflicts to be settled."""

    waiting: int
    refused: int
    to_do: int
    conflicts: int
    newest: Sequence[WriteBack]

    @property
    def is_nothing(self) -> bool:
        return not (self.waiting or self.refused or self.to_do or self.conflicts)


def work_of(user: User | AnonymousUser, *, mine: bool) -> Work | None:
    """Over the systems that the user may see; `mine`: of the write-backs their own. Three queries.

    None for somebody whose role sees no write-backs.
    """
    if not user.has_perm("ticketing.view_writeback"):
        return None
    visible = WriteBack.objects.visible_to(user).open()
    rows = visible.filter(by=user) if mine else visible
    counts = rows.aggregate(
        waiting=Count("pk", filter=Q(state=State.WAITING)),
        refused=Count("pk", filter=Q(state=State.REFUSED)),
        to_do=Count("pk", filter=Q(state=State.TO_DO)),
    )
    newest = rows if mine else rows.exclude(state=State.WAITING)
    shown = newest.select_related("system_ref__system", "system_ref__mapping", "by").order_by("-pk")[:SHOWN]
    return Work(
        **counts, conflicts=HeldValue.objects.conflicts().visible_to(user).count(), newest=list(shown)
    )

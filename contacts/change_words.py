"""Changes of groups as lists and records name them: what became of whom, and whose word it was."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Prefetch

from contacts.models import GroupChange, GroupRequest, TicketSystem


@dataclass(frozen=True)
class ChangeLine:
    """One line of the list, or of the panel on a contact's page. `names`: of whom it left, for its reader."""

    change: GroupChange
    open_undo: GroupRequest | None
    names: Sequence[str] = ()

    @property
    def before(self) -> Sequence[int]:
        return sorted(int(group) for group in self.change.before)

    @property
    def after(self) -> Sequence[int]:
        return sorted(int(group) for group in self.change.after)

    @property
    def what(self) -> str:
        return what_of(self.change)

    @property
    def by(self) -> str:
        """Whose word it was; the night's where nobody asked."""
        if self.change.request_id:
            return name_of_user(self.change.by) or "somebody who has left"
        return "the night, by rule" if self.change.run_id else name_of_user(self.change.by) or "the night"

    @property
    def refs(self) -> int:
        return sum(len(held) for held in self.change.after.values())

    @property
    def undone_at(self) -> Any:
        return self.change.undone_by.at if self.change.undone_by else None


def what_of(change: GroupChange) -> str:
    """What became of the groups, in a word."""
    if is_undo(change):
        return "undo"
    if change.is_join and change.is_split:
        return "regrouped"
    return "joined" if change.is_join else "split"


def is_undo(change: GroupChange) -> bool:
    """Whether it undid another change; asks nothing where the request is loaded."""
    return change.request is not None and change.request.kind == GroupRequest.Kind.UNDO


def lines_of(changes: Any, *, user: Any) -> list[ChangeLine]:
    """The lines of changes, with an open undo of them that the user may see; three queries for any number."""
    waiting = GroupRequest.objects.open().visible_to(user)
    loaded = changes.select_related("by", "request", "undone_by").prefetch_related(
        Prefetch("systems", TicketSystem.objects.order_by("rank", "code")),
        Prefetch("undo_requests", waiting, to_attr="open_undos"),
    )
    return [ChangeLine(change, next(iter(change.open_undos), None)) for change in loaded]


def name_of_user(user: User | None) -> str:
    """How a person at work is called on a screen."""
    return (user.get_full_name() or user.get_username()) if user else ""

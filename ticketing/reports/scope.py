"""Whose figures a report tells one by one, whose enter its totals alone, and what that is called."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from django.contrib.auth.models import User

from contacts.models import Organisation, TicketSystem
from contacts.permissions import SystemRight, systems_of
from ticketing.services.kept_reports import Answer, Question, answer
from ticketing.services.report_sums import Asked

EVERY = "All systems"
CHOSEN = "Chosen systems"
VISIBLE = "Systems you may see"


@dataclass(frozen=True)
class Scope:
    """The reader, the systems told one by one, and whether the others enter the totals.

    Every system that the reader may not see is treated alike, isolated or not: it is never named or counted,
    and its figures enter totals only (R-MDB-21, 22). They enter none where systems are chosen, where the
    reader sees no system at all, and, while the organisation withholds small figures, where purchases are
    filtered: two filters that differ by a single purchase would tell it.
    """

    user: User
    organisation: Organisation
    visible: Sequence[TicketSystem]
    systems: Sequence[TicketSystem]
    every_id: frozenset[int]
    asked: Asked
    now: datetime

    @classmethod
    def of(
        cls,
        user: User,
        organisation: Organisation,
        asked: Asked,
        *,
        system: TicketSystem | None,
        unit_id: int | None,
        now: datetime,
    ) -> "Scope":
        """The scope of a reader who chose one system, one business unit, or neither."""
        visible = systems_of(user, SystemRight.VIEW)
        systems = [
            one
            for one in visible
            if system in (None, one) and (unit_id is None or one.business_unit_id == unit_id)
        ]
        every = frozenset(TicketSystem.objects.values_list("pk", flat=True))
        return cls(user, organisation, visible, systems, every, asked, now)

    @cached_property
    def ids(self) -> tuple[int, ...]:
        """The systems told one by one."""
        return tuple(sorted(system.pk for system in self.systems))

    @property
    def is_chosen(self) -> bool:
        return len(self.systems) < len(self.visible)

    @property
    def has_hidden(self) -> bool:
        """Whether systems out of the reader's sight enter the totals."""
        is_restricted = len(self.visible) < len(self.every_id)
        return is_restricted and bool(self.visible) and not self.is_chosen and not self.is_held_back

    @property
    def is_held_back(self) -> bool:
        """Whether they are left out because purchases are filtered."""
        return (
            self.smallest > 1 and self.asked.is_narrow and 0 < len(self.visible) < len(self.every_id)
        ) and not self.is_chosen

    @property
    def smallest(self) -> int:
        return self.organisation.smallest_cell

    @property
    def total_title(self) -> str:
        """What the totals cover."""
        if self.is_chosen:
            return CHOSEN
        return VISIBLE if self.is_held_back or not self.visible else EVERY

    def ask(self, name: str, system_ids: Sequence[int] | frozenset[int], asked: Asked) -> Answer:
        """The answer over these systems, and never more of it than the caller tells."""
        question = Question(name, tuple(sorted(system_ids)), self.organisation.time_zone, asked)
        return answer(question, now=self.now)

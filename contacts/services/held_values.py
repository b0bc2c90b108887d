"""What a source's rows say against hand edits that hold (ADR 13)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from contacts.bulk import update_rows
from contacts.models import HeldValue
from contacts.models.any_of import AnyOf
from contacts.models.history import as_text


class Held(NamedTuple):
    """One hand edit that holds: of which field, against what, and since when that is a conflict."""

    id: int
    field: str
    source_value: str
    held_against: str
    differs_since: datetime | None

    def is_news(self, said: str) -> bool:
        """Whether its source says something else: what it said before it was told may still be on its way."""
        known = (self.source_value,) if self.differs_since else (self.source_value, self.held_against)
        return said not in known

    def differs_after(self, said: str, now: datetime) -> datetime | None:
        """Since when it is a conflict, once its source says this; None where that is back at the start."""
        return None if said == self.held_against else self.differs_since or now


@dataclass
class HandEdits:
    """Those of a chunk's refs, by the ref's id, and what came of them."""

    held: dict[int, list[Held]]
    agreed: list[int] = field(default_factory=list)  # the source says now what the person wrote
    news: dict[Held, str] = field(default_factory=dict)  # it says something else than ever before

    @property
    def conflicts(self) -> int:
        """How many conflicts are new."""
        return sum(
            held.differs_since is None and said != held.held_against for held, said in self.news.items()
        )

    def hold(
        self,
        ref_id: int,
        row: Sequence[Any],
        state: Sequence[Any],
        merged: tuple[Any, ...],
        *,
        places: dict[str, int],
        blanking: Collection[int],
    ) -> tuple[Any, ...]:
        """The state after a row that counts: `merged` with the hand edits that hold; each is met once.

        `places` leads from a field to its place in all three; a blank says nothing unless it may blank.
        """
        after = list(merged)
        for held in self.held[ref_id]:
            place = places[held.field]
            if row[place] in ("", None) and place not in blanking:
                after[place] = state[place]  # a new street may have taken the second line along
                continue
            if row[place] == state[place]:
                self.agreed.append(held.id)
                continue
            after[place] = state[place]
            if held.is_news(said := as_text(row[place])):
                self.news[held] = said
        return tuple(after)

    def write(self, *, now: datetime) -> None:
        """What the source agrees with holds no more; what it says anew opens a conflict, or stands in one.

        A conflict is over where the source says again what the hand edit is held against.
        """
        if self.agreed:
            HeldValue.objects.filter(AnyOf("id", self.agreed)).delete()
        news = [(said, held.differs_after(said, now), held.id) for held, said in self.news.items()]
        update_rows(HeldValue, ("source_value", "differs_since"), news)


def hand_edits_of(ref_ids: Collection[int]) -> HandEdits:
    """The hand edits that hold on these refs; call it where the refs are locked, if they are to be met."""
    found: dict[int, list[Held]] = {}
    if ref_ids:
        rows = HeldValue.objects.filter(AnyOf("system_ref", ref_ids)).order_by("pk")
        for row in rows.values_list(
            "system_ref", "id", "field", "source_value", "held_against", "differs_since"
        ):
            found.setdefault(row[0], []).append(Held(*row[1:]))
    return HandEdits(found)

"""What a night does, line by line, in ids alone: effects of its steps, and new GroupIDs by their order."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from contacts.models import HeldLine
from sync.models import PlanLine

REGROUPED = (PlanLine.Kind.GROUP, PlanLine.Kind.SPLIT, PlanLine.Kind.REGROUP, PlanLine.Kind.PLACE)
BY_RULE = "By the primary rules."
NEW = "new"  # how a GroupID that only the night will give is told: "new 1"


@dataclass(frozen=True)
class Effect:
    """One line. `before` and `after` tell, by GroupID, the refs that each Contact holds (None: no Contact of
    that number), or by "primary" the ref that leads, or by "fields" names of fields. `ref_ids`: all refs that
    it is about; who may not see each of them is not told of it.
    """

    kind: PlanLine.Kind
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    ref_ids: frozenset[int]
    group_ids: Sequence[int | str] = ()
    reason: str = ""
    request_id: int | None = None

    @property
    def makes_contact_alone(self) -> bool:
        """Whether it only places new refs into a Contact of their own."""
        return self.kind == PlanLine.Kind.PLACE and not self.before


def with_new_numbers(effects: Iterable[Effect], *, known_up_to: int, first: int = 1) -> list[Effect]:
    """The effects with GroupIDs beyond `known_up_to` told as "new 1", "new 2" … in their order.

    What a rehearsal gives is given again by the night, under other numbers in the same order. `first`: the
    number that the lowest gets.
    """
    given = list(effects)
    new = sorted({group_id for effect in given for group_id in _ids(effect) if group_id > known_up_to})
    names = {group_id: f"{NEW} {number}" for number, group_id in enumerate(new, start=first)}
    return [_renamed(effect, names) for effect in given]


def count_new(effects: Iterable[Effect]) -> int:
    """How many new GroupIDs they tell of."""
    return len({name for effect in effects for name in effect.group_ids if isinstance(name, str)})


def _ids(effect: Effect) -> Iterable[int]:
    return (group_id for group_id in effect.group_ids if isinstance(group_id, int))


def _renamed(effect: Effect, names: Mapping[int, str]) -> Effect:
    said = {str(group_id): name for group_id, name in names.items()}
    return replace(
        effect,
        group_ids=tuple(names.get(pk, pk) if isinstance(pk, int) else pk for pk in effect.group_ids),
        before={said.get(name, name): value for name, value in effect.before.items()},
        after={said.get(name, name): value for name, value in effect.after.items()},
    )


def hold_kind_of(kind: str, *, makes_contact_alone: bool) -> HeldLine.Kind | None:
    """How an effect that no request asked for can be held; None: not at all.

    New people have to stand somewhere; stale values and sums are plainly wrong.
    """
    if kind == PlanLine.Kind.PRIMARY:
        return HeldLine.Kind.PRIMARY
    return HeldLine.Kind.REGROUP if kind in REGROUPED and not makes_contact_alone else None

"""Keeps, of each circle of Contacts between which refs move, what an undo puts back (BEYOND 2)."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from contacts.bulk import insert_rows, reserve_ids
from contacts.models import Contact, GoldenPin, GroupAlias, GroupChange, Move, SystemRef
from contacts.models import Mapping as Placed
from contacts.models.any_of import AnyOf

_FIELDS = ("id", "is_join", "is_split", "run", "request", "by", "at", "before", "after", "made", "lifted")


@dataclass(frozen=True)
class Order:
    """Why a circle changes, where a person asked for it: the cause of its moves, whose word, and with it

    which decisions were made and lifted, and which (GroupID, field, ref) are pinned by the grouping.
    """

    cause: Move.Cause
    request_id: int | None
    by_id: int | None
    made: Sequence[int] = ()
    lifted: Sequence[int] = ()
    pins: Sequence[tuple[int, str, int]] = ()


@dataclass
class Circle:
    """Contacts that change together: `steps` are (ref, from, to), `order` the word of a person, if any."""

    steps: Sequence[tuple[int, int | None, int]]
    order: Order | None = None
    change_id: int | None = field(default=None)

    @property
    def moves_refs(self) -> bool:
        """Whether a ref goes from one Contact to another; placing new ones changes no group."""
        return any(source is not None and source != target for _ref, source, target in self.steps)


def keep_changes(circles: Sequence[Circle], *, run_id: int | None, now: datetime) -> None:
    """Write a GroupChange for every circle that moves refs, and give the circle its id.

    Call it under the locks of the refs and Contacts, before anything of them is written. A few queries for
    any number of circles.
    """
    moving = [circle for circle in circles if circle.moves_refs]
    if not moving:
        return
    stands = _Standing.read({source for circle in moving for _ref, source, _to in circle.steps if source})
    for circle, change_id in zip(moving, reserve_ids(GroupChange, len(moving)), strict=True):
        circle.change_id = change_id
    insert_rows(GroupChange, _FIELDS, (_row(circle, stands, run_id=run_id, now=now) for circle in moving))
    insert_rows(GroupChange.systems.through, ("groupchange", "ticketsystem"), _systems(moving))


@dataclass(frozen=True)
class _Standing:
    """What stands of some Contacts, by GroupID, in the words of a snapshot."""

    since: Mapping[int, str]
    refs: Mapping[int, list[Any]]
    pins: Mapping[int, list[Any]]
    aliases: Mapping[int, list[Any]]

    @classmethod
    def read(cls, contact_ids: Collection[int]) -> "_Standing":
        ids = sorted(contact_ids)
        placed = Placed.objects.filter(AnyOf("contact", ids)).order_by("pk")
        pins = GoldenPin.objects.filter(AnyOf("contact", ids)).order_by("pk")
        aliases = GroupAlias.objects.filter(AnyOf("contact", ids)).order_by("pk")
        since_of = Contact.objects.filter(AnyOf("id", ids)).values_list("pk", "since")
        return cls(
            since={pk: since.isoformat() for pk, since in since_of},
            refs=_by_contact(placed.values_list("contact_id", "pk", "is_primary", "primary_by", "since")),
            pins=_by_contact(
                pins.values_list("contact_id", "pk", "field", "system_ref_id", "origin", "by_id", "at")
            ),
            aliases=_by_contact(aliases.values_list("contact_id", "pk", "group_id", "at")),
        )

    def of(self, contact_id: int) -> dict[str, Any]:
        return {
            "since": self.since[contact_id],
            "refs": self.refs.get(contact_id, []),
            "pins": self.pins.get(contact_id, []),
            "aliases": self.aliases.get(contact_id, []),
        }


def _by_contact(rows: Iterable[tuple[Any, ...]]) -> dict[int, list[Any]]:
    """The rows without the Contact that they begin with; the moment that they end in as text."""
    found: dict[int, list[Any]] = {}
    for contact_id, *values, moment in rows:
        found.setdefault(contact_id, []).append([*values, moment.isoformat()])
    return found


def _row(circle: Circle, stands: _Standing, *, run_id: int | None, now: datetime) -> tuple[Any, ...]:
    sources: dict[int, set[int]] = {}
    targets: dict[int, set[int]] = {}
    after: dict[int, list[int]] = {}
    for ref_id, source, target in circle.steps:
        after.setdefault(target, []).append(ref_id)
        if source is not None:
            sources.setdefault(source, set()).add(target)
            targets.setdefault(target, set()).add(source)
    order = circle.order
    return (
        circle.change_id,
        any(len(came) > 1 for came in targets.values()),
        any(len(went) > 1 for went in sources.values()),
        run_id,
        order.request_id if order else None,
        order.by_id if order else None,
        now,
        json.dumps({str(contact_id): stands.of(contact_id) for contact_id in sorted(sources)}),
        json.dumps({str(contact_id): sorted(refs) for contact_id, refs in sorted(after.items())}),
        json.dumps(list(order.made) if order else []),
        json.dumps(list(order.lifted) if order else []),
    )


def _systems(circles: Sequence[Circle]) -> list[tuple[int | None, int]]:
    refs = {ref_id for circle in circles for ref_id, _from, _to in circle.steps}
    system_of = dict(SystemRef.objects.filter(pk__in=refs).values_list("pk", "system"))
    return sorted(
        {(circle.change_id, system_of[ref_id]) for circle in circles for ref_id, _from, _to in circle.steps}
    )

"""A held night as one reader sees it: why, what is to blame, examples, and what they may do about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import AnonymousUser, User

from contacts.group_brake import Example, Held
from contacts.models import SystemRef
from contacts.permissions import SystemRight, systems_with
from contacts.services.brake import NamedBlame, example_groups, name_blames, standing_held
from sync.models import NightRun

MAY_RELEASE = "sync.release_nightrun"
_DETAILS = (
    ("first name", "first_name"),
    ("last name", "last_name"),
    ("e-mail", "email"),
    ("mobile", "mobile"),
    ("phone", "phone"),
    ("address", "address1"),
    ("postcode", "postcode"),
    ("born", "date_of_birth"),
)


@dataclass(frozen=True)
class ExampleGroup:
    """Some of the refs that would be one Contact, side by side: per detail a row of values."""

    example: Example
    refs: Sequence[SystemRef]
    rows: Sequence[tuple[str, Sequence[object]]]

    @property
    def not_shown(self) -> int:
        return self.example.refs - len(self.refs)


@dataclass(frozen=True)
class HeldNight:
    """What held a night. Counts are the organisation's; values and refs are only those the reader may see.

    `stands` until another night or grouping run: only so long can it be let go on.
    """

    run: NightRun
    held: Held
    blames: Sequence[NamedBlame]
    examples: Sequence[ExampleGroup]
    stands: bool
    accepted_at: datetime | None
    accepted_by: User | None


def read_held(run: NightRun, *, user: User | AnonymousUser, now_held: NightRun | None) -> HeldNight | None:
    """What held this night, for this reader; None where nothing did. Three queries beside the rights."""
    grouping = run.held_grouping
    if grouping is None or not grouping.held:
        return None
    systems = systems_with(user, SystemRight.VIEW)
    return HeldNight(
        run=run,
        held=Held.from_json(grouping.held),
        blames=name_blames(grouping, systems=systems),
        examples=[_side_by_side(*found) for found in example_groups(grouping, systems=systems)],
        stands=run == now_held and grouping == standing_held(),
        accepted_at=grouping.accepted_at,
        accepted_by=grouping.accepted_by,
    )


def _side_by_side(example: Example, refs: Sequence[SystemRef]) -> ExampleGroup:
    rows = [(title, [getattr(ref, name) or "" for ref in refs]) for title, name in _DETAILS]
    return ExampleGroup(example, refs, [(title, values) for title, values in rows if any(values)])

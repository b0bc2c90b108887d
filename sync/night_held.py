"""A held night, or grouping run by command, as one reader sees it: why, what is to blame, examples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import AnonymousUser, User

from contacts.group_brake import Example, Held
from contacts.models import GroupingRun, SystemRef
from contacts.permissions import SystemRight, sees_every_system, systems_with
from contacts.services.brake import NamedBlame, example_groups, name_blames, standing_held
from sync.models import NightRun
from sync.models.night import RunState

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

    `run` is None where a grouping run by command was held. `stands` until another night or grouping run: only
    so long can it be let go on.
    """

    run: NightRun | None
    grouping: GroupingRun
    held: Held
    blames: Sequence[NamedBlame]
    examples: Sequence[ExampleGroup]
    stands: bool
    accepted_at: datetime | None
    accepted_by: User | None


def read_held(run: NightRun, *, user: User | AnonymousUser, now_held: NightRun | None) -> HeldNight | None:
    """What held this night, for this reader; None where nothing did. Four queries beside the rights."""
    grouping = run.held_grouping
    if grouping is None or not grouping.held:
        return None
    return _read(grouping, run=run, user=user, stands=run == now_held and grouping == standing_held())


def may_release(user: User | AnonymousUser) -> bool:
    """Whether they may let go on what is held: it joins the records of every system."""
    return user.has_perm(MAY_RELEASE) and sees_every_system(user)


def held_by_command() -> GroupingRun | None:
    """The grouping run that is held now, where no night can be let go on for it and none is at work."""
    standing = standing_held()
    if standing is None or NightRun.objects.filter(state=RunState.RUNNING).exists():
        return None
    night = NightRun.objects.held_now()
    return None if night is not None and night.held_grouping_id == standing.pk else standing


def read_held_by_command(*, user: User | AnonymousUser) -> HeldNight | None:
    """What held the grouping run that somebody began by command, for this reader; None where none is held."""
    grouping = held_by_command()
    return _read(grouping, run=None, user=user, stands=True) if grouping is not None else None


def read_brake(held: Mapping[str, Any], *, user: User | AnonymousUser) -> HeldNight:
    """What the brake would hold the coming night for, for this reader; from what a plan keeps of it."""
    return _read(GroupingRun(held=dict(held)), run=None, user=user, stands=False)


def _read(
    grouping: GroupingRun, *, run: NightRun | None, user: User | AnonymousUser, stands: bool
) -> HeldNight:
    systems = systems_with(user, SystemRight.VIEW)
    return HeldNight(
        run=run,
        grouping=grouping,
        held=Held.from_json(grouping.held),
        blames=name_blames(grouping, systems=systems),
        examples=[_side_by_side(*found) for found in example_groups(grouping, systems=systems)],
        stands=stands,
        accepted_at=grouping.accepted_at,
        accepted_by=grouping.accepted_by,
    )


def _side_by_side(example: Example, refs: Sequence[SystemRef]) -> ExampleGroup:
    rows = [(title, [getattr(ref, name) or "" for ref in refs]) for title, name in _DETAILS]
    return ExampleGroup(example, refs, [(title, values) for title, values in rows if any(values)])

"""Reads what was ticked on the screen of rights, and what is wished for many at once."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.contrib.auth.models import Group, User
from django.http import HttpRequest, QueryDict

from contacts.models import TicketSystem
from contacts.permissions import SystemRight
from contacts.rights_matrix import LETTERS
from contacts.services.rights import Holder, RightChange, Rights, why_not_grantable, would_change

MOST_ROWS = 500
_OF_LETTER = {letter: right for right, letter in LETTERS.items()}
_KEY = re.compile(r"([ug])([0-9]{1,9})")
_BOX = re.compile(r"([ug][0-9]{1,9})-([0-9]{1,9})-([vc])")
_SEEN = re.compile(r"([0-9]{1,9})([vc])")
_NONE: Rights = frozenset()


def read_ticks(posted: QueryDict) -> list[RightChange]:
    """What the ticks change against what the page showed; rows and systems that are gone are passed over.

    Each row that could be ticked says in `seen-<key>` what it held; `own` holds the ticks, "u12-3-v".
    """
    ticked: dict[tuple[str, int], set[SystemRight]] = {}
    for match in filter(None, map(_BOX.fullmatch, posted.getlist("own"))):
        ticked.setdefault((match[1], int(match[2])), set()).add(_OF_LETTER[match[3]])
    keys = [name.removeprefix("seen-") for name in posted if name.startswith("seen-")]
    holders, systems = holders_of(keys), {system.pk: system for system in TicketSystem.objects.all()}
    changes: list[RightChange] = []
    for key, holder in holders.items():
        seen = _read_seen(posted[f"seen-{key}"])
        shown = sorted(set(seen) | {system for row, system in ticked if row == key})
        for system in shown:
            if system in systems:
                wanted = frozenset(ticked.get((key, system), ()))
                changes += _changes(holder, systems[system], seen.get(system, _NONE), wanted)
    return changes


def holders_of(keys: Iterable[str]) -> dict[str, Holder]:
    """The groups and people of these keys that are there, in the order of the keys."""
    asked = [match for match in map(_KEY.fullmatch, keys) if match][:MOST_ROWS]
    found: dict[str, Holder] = {}
    for group in Group.objects.filter(pk__in=[int(match[2]) for match in asked if match[1] == "g"]):
        found[f"g{group.pk}"] = group
    for user in User.objects.filter(pk__in=[int(match[2]) for match in asked if match[1] == "u"]):
        found[f"u{user.pk}"] = user
    return {match[0]: found[match[0]] for match in asked if match[0] in found}


@dataclass(frozen=True)
class Bulk:
    """One right on some systems, to be given to or taken from many; those left out with the reason."""

    right: SystemRight
    give: bool
    systems: Sequence[TicketSystem]
    holders: dict[str, Holder]
    left_out: Sequence[tuple[Holder, str]]

    @property
    def changes(self) -> list[RightChange]:
        return [
            RightChange(holder, self.right, system, self.give)
            for holder in self.holders.values()
            for system in self.systems
        ]

    @property
    def right_word(self) -> str:
        return "change" if self.right is SystemRight.CHANGE else "view"

    @property
    def whom(self) -> str:
        """The rows in numbers: "2 groups and 38 people"."""
        groups = sum(isinstance(holder, Group) for holder in self.holders.values())
        people = len(self.holders) - groups
        parts = [
            f"{count:,} {one if count == 1 else many}"
            for count, one, many in ((groups, "group", "groups"), (people, "person", "people"))
            if count
        ]
        return " and ".join(parts) or "nobody"

    def counts(self) -> list[tuple[TicketSystem, int, int, int]]:
        """For each system: how many gain or lose view, and change, and for how many nothing changes."""
        found = [(system.pk, right, holder) for holder, system, right, _give in would_change(self.changes)]
        lines = []
        for system in self.systems:
            view = sum(pk == system.pk and right is SystemRight.VIEW for pk, right, _ in found)
            change = sum(pk == system.pk and right is SystemRight.CHANGE for pk, right, _ in found)
            touched = {_identity(holder) for pk, _right, holder in found if pk == system.pk}
            lines.append((system, view, change, len(self.holders) - len(touched)))
        return lines


def read_bulk(request: HttpRequest) -> Bulk:
    """What is wished for the chosen rows, or for all that are shown, on the chosen systems."""
    posted = request.POST
    keys = posted.getlist("shown" if posted.get("who") == "shown" else "row")
    ids = [int(text) for text in posted.getlist("on") if text.isdecimal() and len(text) < 10]
    found = holders_of(keys)
    reasons = {key: why_not_grantable(holder, by=request.user) for key, holder in found.items()}
    return Bulk(
        right=SystemRight.CHANGE if posted.get("right") == "change" else SystemRight.VIEW,
        give=posted.get("give") != "take",
        systems=list(TicketSystem.objects.filter(pk__in=ids).order_by("business_unit__name", "rank", "code")),
        holders={key: holder for key, holder in found.items() if not reasons[key]},
        left_out=[(found[key], reason) for key, reason in reasons.items() if reason],
    )


def _read_seen(text: str) -> dict[int, Rights]:
    seen: dict[int, Rights] = {}
    for match in filter(None, map(_SEEN.fullmatch, text.split())):
        seen[int(match[1])] = seen.get(int(match[1]), _NONE) | {_OF_LETTER[match[2]]}
    return seen


def _changes(holder: Holder, system: TicketSystem, seen: Rights, wanted: Rights) -> list[RightChange]:
    """The way from what was seen to what is wanted, taking first. VIEW taken off beside a CHANGE that stayed
    takes both: without VIEW nothing can be changed."""
    if SystemRight.VIEW in seen - wanted and SystemRight.CHANGE in seen & wanted:
        wanted = _NONE
    taken = [right for right in SystemRight if right in seen - wanted]
    given = [right for right in SystemRight if right in wanted - seen]
    return [RightChange(holder, right, system, give=False, seen=seen) for right in taken] + [
        RightChange(holder, right, system, give=True, seen=seen) for right in given
    ]


def _identity(holder: Holder) -> tuple[bool, int]:
    return isinstance(holder, Group), holder.pk

"""Gives and takes rights on ticket systems, and keeps who did so; nobody widens their own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.contrib.auth.models import Group, User
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from contacts.models import RightsRecord, TicketSystem
from contacts.permissions import (
    CLUSTER_USER,
    GROUPS_WITH_EVERY_SYSTEM,
    SystemRight,
    grants_of,
    holder_field,
    permission_of,
)

CONSOLE = "command line"
OWN_GROUP = "Your group: nobody grants themselves."
BY_ROLE = "by role, with the system"
_LONGEST_NAME = 150
_CHANGES = (RightsRecord.Deed.GIVEN, RightsRecord.Deed.TAKEN)

Holder = User | Group
Cell = tuple[str, int, int]  # "user" or "group", their id, the system's id
Rights = frozenset[SystemRight]


class MayNotGrant(Exception):
    """Says, in words for the person at the screen, why these rights are not theirs to give or take."""


@dataclass(frozen=True)
class RightChange:
    """One right to be given or taken. Giving CHANGE gives VIEW as well; taking VIEW takes CHANGE.

    `seen` is what its author saw the holder to hold themselves on the system, before all changes of the
    call; None if they did not look.
    """

    to: Holder
    right: SystemRight
    system: TicketSystem
    give: bool
    seen: Rights | None = None


@dataclass(frozen=True)
class Outcome:
    """What was really given or taken, and what was left alone because somebody else changed it first."""

    records: list[RightsRecord] = field(default_factory=list)
    stale: list[RightChange] = field(default_factory=list)

    @property
    def given(self) -> int:
        return sum(record.deed == RightsRecord.Deed.GIVEN for record in self.records)

    @property
    def taken(self) -> int:
        return len(self.records) - self.given


def why_not_grantable(to: Holder, *, by: User) -> str:
    """Why nobody, or not this person, decides about the holder's rights, as a sentence; blank where they do.

    Nobody decides about themselves or about a group they are in, whether it widens or narrows; a superuser
    holds everything, and so widens nothing through a group of theirs. Costs no query for users; for
    groups one, for each `by` object.
    """
    if isinstance(to, Group):
        return _why_not_group(to, by)
    if to.pk == by.pk:
        return "You: nobody grants themselves."
    if to.is_superuser:
        return "A superuser holds every right."
    if to.username == CLUSTER_USER:
        return "The background cluster: nobody signs in."
    return "" if to.is_active else "Disabled: no right has an effect."


@transaction.atomic
def change_rights(wanted: Sequence[RightChange], *, by: User, now: datetime) -> Outcome:
    """Give and take rights, with one record for each that really came or went; safe to repeat.

    All of it or, where one is refused, nothing. A change whose `seen` is no longer so is left out and told
    in the outcome, unless it is as wanted already; the others go on.

    Raises MayNotGrant.
    """
    _check_author(by)
    for holder in {(holder_field(type(change.to)), change.to.pk): change.to for change in wanted}.values():
        if reason := why_not_grantable(holder, by=by):
            raise MayNotGrant(f"{name_of(holder)}: {reason}")
    return _carry_out(wanted, by=by, by_name=name_of(by), at=now)


@transaction.atomic
def undo_changes(record_ids: Iterable[int], *, by: User, now: datetime) -> Outcome:
    """Put back what these records of the author's own say was given or taken, by change_rights.

    What anybody changed since is left alone and told as stale. People and systems that are gone are passed
    over. Raises MayNotGrant.
    """
    records = list(
        RightsRecord.objects.filter(pk__in=list(record_ids), by=by, deed__in=_CHANGES, system__isnull=False)
        .exclude(user=None, group=None)
        .select_related("user", "group", "system")
        .order_by("pk")
    )
    _lock({_cell_of(record)[:2] for record in records})
    newest = _newest_by_cell(records)
    inverse: list[RightChange] = []
    stale: list[RightChange] = []
    for record in reversed(records):
        holder, system = record.user or record.group, record.system
        if holder is None or system is None:
            continue
        give = record.deed == RightsRecord.Deed.TAKEN
        change = RightChange(holder, SystemRight(record.right), system, give)
        is_last_word = newest[_cell_of(record)] <= max(one.pk for one in records)
        (inverse if is_last_word else stale).append(change)
    outcome = change_rights(inverse, by=by, now=now)
    return Outcome(outcome.records, [*outcome.stale, *stale])


@transaction.atomic
def change_rights_at_console(wanted: Sequence[RightChange], *, now: datetime) -> Outcome:
    """As change_rights, for whoever sits at the machine and so may do anything; recorded as such."""
    return _carry_out(wanted, by=None, by_name=CONSOLE, at=now)


@transaction.atomic
def give_by_role(system: TicketSystem) -> None:
    """Give the groups that hold every system each right on a new one (DECISIONS 11).

    By the database's clock: systems are made by files and commands too, which have none to give.
    """
    groups = Group.objects.filter(name__in=GROUPS_WITH_EVERY_SYSTEM)
    wanted = [RightChange(group, right, system, give=True) for group in groups for right in SystemRight]
    _carry_out(wanted, by=None, by_name=BY_ROLE, at=Now())


def would_change(wanted: Sequence[RightChange]) -> list[tuple[Holder, TicketSystem, SystemRight, bool]]:
    """What carrying these out now would really give (True) and take (False)."""
    plan = _plan(wanted, _held_now(wanted))
    return [(*one, give) for give, ones in ((True, plan.given), (False, plan.taken)) for one in ones]


def name_of(holder: Holder) -> str:
    """How the audit trail names people and groups, cut to fit: "Jo Diaz (jdiaz)", "group Sales rep"."""
    if isinstance(holder, Group):
        return f"group {holder.name}"[:_LONGEST_NAME]
    full, name = holder.get_full_name(), holder.get_username()
    if not full:
        return name
    return f"{full[: max(_LONGEST_NAME - len(name) - 3, 0)]} ({name})" if len(name) < 140 else name


def _why_not_group(group: Group, by: User) -> str:
    if by.is_superuser:
        return ""
    if group.name in GROUPS_WITH_EVERY_SYSTEM:
        return "Every system; only superusers change it."
    if "_groups_they_are_in" not in by.__dict__:
        by.__dict__["_groups_they_are_in"] = frozenset(by.groups.values_list("pk", flat=True))
    if group.pk in by.__dict__["_groups_they_are_in"]:
        return OWN_GROUP
    return ""


def _check_author(by: User) -> None:
    if not by.is_active or not by.has_perm("contacts.grant_rights"):
        raise MayNotGrant("Your role does not decide who sees and changes which system.")


@dataclass
class _Plan:
    """What has to be written: (holder, system, right) to give and to take, and what was stale."""

    given: list[tuple[Holder, TicketSystem, SystemRight]] = field(default_factory=list)
    taken: list[tuple[Holder, TicketSystem, SystemRight]] = field(default_factory=list)
    stale: list[RightChange] = field(default_factory=list)


def _carry_out(
    wanted: Sequence[RightChange], *, by: User | None, by_name: str, at: datetime | Now
) -> Outcome:
    _lock({(holder_field(type(change.to)), change.to.pk) for change in wanted})
    plan = _plan(wanted, _held_now(wanted))
    for kind in (User, Group):
        _give(kind, [one for one in plan.given if isinstance(one[0], kind)])
        _take(kind, [one for one in plan.taken if isinstance(one[0], kind)])
    deeds = ((RightsRecord.Deed.GIVEN, plan.given), (RightsRecord.Deed.TAKEN, plan.taken))
    records = [_record(one, deed, by, by_name, at) for deed, ones in deeds for one in ones]
    RightsRecord.objects.bulk_create(records)
    for change in wanted:
        change.to.__dict__.pop("_every_system", None)
    return Outcome(records, plan.stale)


def _lock(holders: set[tuple[str, int]]) -> None:
    """Two who decide about the same holder go one after the other; always in this order."""
    for name, model in (("group", Group), ("user", User)):
        ids = sorted(pk for kind, pk in holders if kind == name)
        rows: Any = model._default_manager.filter(pk__in=ids)
        list(rows.order_by("pk").select_for_update(no_key=True).values_list("pk"))


def _held_now(wanted: Sequence[RightChange]) -> dict[Cell, Rights]:
    """What each holder of the changes holds themselves on each system."""
    held: dict[Cell, set[SystemRight]] = {}
    systems = {change.system.pk for change in wanted}
    for kind in (User, Group):
        name = holder_field(kind)
        ids = {change.to.pk for change in wanted if holder_field(type(change.to)) == name}
        if not ids:
            continue
        rows = grants_of(kind).filter(**{f"{name}__in": ids}, content_object__in=systems)
        for pk, system, right in rows.values_list(name, "content_object", "permission__codename"):
            held.setdefault((name, pk, system), set()).add(SystemRight(right))
    return {cell: frozenset(rights) for cell, rights in held.items()}


def _plan(wanted: Sequence[RightChange], held: dict[Cell, Rights]) -> _Plan:
    """What the changes come to, cell by cell, in the order in which they stand."""
    plan = _Plan()
    cells: dict[Cell, list[RightChange]] = {}
    for change in wanted:
        cell = (holder_field(type(change.to)), change.to.pk, change.system.pk)
        cells.setdefault(cell, []).append(change)
    for cell, changes in cells.items():
        before = held.get(cell, frozenset())
        after = _after(before, changes)
        seen = changes[0].seen
        if seen is not None and seen != before:
            if after != before:
                plan.stale += changes
            continue
        holder, system = changes[0].to, changes[0].system
        plan.given += [(holder, system, right) for right in SystemRight if right in after - before]
        plan.taken += [(holder, system, right) for right in SystemRight if right in before - after]
    return plan


def _after(before: Rights, changes: Iterable[RightChange]) -> Rights:
    rights = set(before)
    for change in changes:
        if change.give:
            rights |= {SystemRight.VIEW, change.right}
        else:
            rights -= {SystemRight.CHANGE, change.right}
    return frozenset(rights)


def _give(kind: type[User] | type[Group], given: list[tuple[Holder, TicketSystem, SystemRight]]) -> None:
    if not given:
        return
    permissions = {right: permission_of(right) for right in {right for _, _, right in given}}
    table = grants_of(kind)
    table.bulk_create(
        [
            table.model(
                permission=permissions[right],
                content_object=system,
                **{f"{holder_field(kind)}_id": holder.pk},
            )
            for holder, system, right in given
        ],
        ignore_conflicts=True,
    )


def _take(kind: type[User] | type[Group], taken: list[tuple[Holder, TicketSystem, SystemRight]]) -> None:
    """One statement for each right and system: a bulk change has few of them and many holders."""
    of_system: dict[tuple[SystemRight, int], list[int]] = {}
    for holder, system, right in taken:
        of_system.setdefault((right, system.pk), []).append(holder.pk)
    for (right, system_id), ids in of_system.items():
        grants_of(kind).filter(
            Q(**{f"{holder_field(kind)}__in": ids}),
            permission__codename=right.value,
            content_object_id=system_id,
        ).delete()


def _record(
    one: tuple[Holder, TicketSystem, SystemRight],
    deed: RightsRecord.Deed,
    by: User | None,
    by_name: str,
    at: datetime | Now,
) -> RightsRecord:
    holder, system, right = one
    return RightsRecord(
        deed=deed,
        by_id=by.pk if by else None,
        by_name=by_name,
        user_id=None if isinstance(holder, Group) else holder.pk,
        group_id=holder.pk if isinstance(holder, Group) else None,
        to_name=name_of(holder),
        system=system,
        system_code=system.code,
        right=right.value,
        at=at,
    )


def _cell_of(record: RightsRecord) -> Cell:
    if record.user_id is not None:
        return ("user", record.user_id, record.system_id or 0)
    return ("group", record.group_id or 0, record.system_id or 0)


def _newest_by_cell(records: Sequence[RightsRecord]) -> dict[Cell, int]:
    """The id of the last record on each of the cells, whosever it is."""
    of_cells = RightsRecord.objects.filter(
        Q(user__in={record.user_id for record in records if record.user_id})
        | Q(group__in={record.group_id for record in records if record.group_id}),
        deed__in=_CHANGES,
        system__in={record.system_id for record in records},
    )
    newest: dict[Cell, int] = {}
    for record in of_cells.order_by("pk").only("pk", "user", "group", "system"):
        newest[_cell_of(record)] = record.pk
    return newest

"""What the screen of rights shows: groups and people by system by right, own or through which group."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from django.contrib.auth.models import Group, Permission, User
from django.core.paginator import Page, Paginator
from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from contacts.models import BusinessUnit, TicketSystem
from contacts.permissions import CLUSTER_USER, SystemRight, grants_of
from contacts.services.rights import OWN_GROUP, Rights, why_not_grantable
from contacts.services.viewing_as import why_not_view_as_one_of
from contacts.system_rights import ask_whom

PEOPLE_A_PAGE = 40
LETTERS = {SystemRight.VIEW: "v", SystemRight.CHANGE: "c"}
WORDS = {SystemRight.VIEW: "see", SystemRight.CHANGE: "change"}
_NONE: Rights = frozenset()


@dataclass(frozen=True)
class Asked:
    """Which rows somebody wants to see."""

    words: str = ""
    role: int = 0
    only_differences: bool = False
    page: int = 1

    @classmethod
    def of(cls, given: Mapping[str, str]) -> Asked:
        """As an address says it; what makes no sense counts as not said."""
        return cls(
            words=plain(given.get("q", "")),
            role=_number(given.get("role", "")),
            only_differences=given.get("show", "") == "different",
            page=max(_number(given.get("p", "")), 1),
        )

    @property
    def is_narrowed(self) -> bool:
        return bool(self.words or self.role or self.only_differences)


@dataclass(frozen=True)
class Box:
    """One right of one row on one system. `through`: the groups that give it; `tags`: these in short."""

    system: TicketSystem
    right: SystemRight
    is_own: bool
    through: Sequence[str] = ()
    tags: Sequence[str] = ()

    @property
    def letter(self) -> str:
        return LETTERS[self.right]

    @property
    def word(self) -> str:
        return WORDS[self.right]


@dataclass(frozen=True)
class Row:
    """A group or a person. `why_locked` and `why_not_viewed` are blank where one may."""

    key: str
    name: str
    note: str
    boxes: Sequence[Box]
    why_locked: str = ""
    why_not_viewed: str = ""
    user: User | None = None
    username: str = ""  # beside a full name, which two people may share

    @property
    def holds_everything(self) -> bool:
        return self.user is not None and self.user.is_superuser

    @property
    def seen(self) -> str:
        """What the row holds itself, as it travels with the form: "3v 3c 7v"."""
        return " ".join(f"{box.system.pk}{box.letter}" for box in self.boxes if box.is_own)


@dataclass(frozen=True)
class Matrix:
    """One page of the screen."""

    units: Sequence[tuple[BusinessUnit, int]]  # each with how many columns it spans
    systems: Sequence[TicketSystem]
    groups: Sequence[Row]
    people: Sequence[Row]
    page: Page
    tags: Sequence[tuple[str, str]]
    roles: Sequence[Group]


@dataclass
class _Held:
    """Who holds what: own rights by (holder's id, system's id), and what the groups give."""

    own: dict[tuple[int, int], Rights] = field(default_factory=dict)
    of_groups: dict[tuple[int, int], Rights] = field(default_factory=dict)
    groups_of: dict[int, list[int]] = field(default_factory=dict)


def rights_matrix(asked: Asked, *, by: User) -> Matrix:
    """The rows asked for, as this person may change them; the same queries whatever their number."""
    systems = list(
        TicketSystem.objects.select_related("business_unit").order_by(
            "business_unit__name", "business_unit", "rank", "code"
        )
    )
    groups = list(Group.objects.annotate(member_count=Count("user")).order_by("name"))
    tags = group_tags(groups)
    page = Paginator(people_asked_for(asked), PEOPLE_A_PAGE).get_page(asked.page)
    people = list(page.object_list)
    held = _held(people)
    may = _permissions(people, held)
    ask = ask_whom(by)
    names = {group.pk: group.name for group in groups}
    return Matrix(
        units=[
            (unit, len(SystemRight) * len(list(ones)))
            for unit, ones in groupby(systems, lambda system: system.business_unit)
        ],
        systems=systems,
        groups=[_group_row(group, systems, held, by) for group in _groups_asked_for(groups, asked)],
        people=[_person_row(user, systems, held, names, tags, may[user.pk], by, ask) for user in people],
        page=page,
        tags=[(tags[group.pk], group.name) for group in groups if group.pk in _giving(held)],
        roles=groups,
    )


def people_asked_for(asked: Asked) -> QuerySet[User]:
    """Those who may have rights, by name, the disabled ones last."""
    people = User.objects.exclude(username=CLUSTER_USER)
    for word in asked.words.split():
        people = people.filter(
            Q(username__icontains=word) | Q(first_name__icontains=word) | Q(last_name__icontains=word)
        )
    if asked.role:
        people = people.filter(groups=asked.role)
    if asked.only_differences:
        through_group = grants_of(Group).filter(
            group__user=OuterRef("user"),
            content_object=OuterRef("content_object"),
            permission=OuterRef("permission"),
        )
        beyond = grants_of(User).filter(~Exists(through_group), user=OuterRef("pk"))
        people = people.filter(Exists(beyond))
    return people.order_by("-is_active", "last_name", "first_name", "username")


def group_tags(groups: Iterable[Group]) -> dict[int, str]:
    """A short mark for each group, such as SR for Sales rep; no two alike."""
    tags: dict[int, str] = {}
    for group in groups:
        words = group.name.replace("-", " ").split()
        initials = "".join(word[0] for word in words).upper()[:3] or "?"
        tag, number = initials, 1
        while tag in tags.values():
            number += 1
            tag = f"{initials}{number}"
        tags[group.pk] = tag
    return tags


def _groups_asked_for(groups: Sequence[Group], asked: Asked) -> list[Group]:
    """Groups stand over the first page of people, and where they were asked for."""
    if asked.only_differences or asked.page > 1:
        return []
    words = asked.words.lower().split()
    return [
        group
        for group in groups
        if asked.role in (0, group.pk) and all(word in group.name.lower() for word in words)
    ]


def _held(people: Sequence[User]) -> _Held:
    held = _Held()
    ids = [user.pk for user in people]
    kinds: tuple[tuple[Any, dict[tuple[int, int], Rights]], ...] = (
        (grants_of(Group).values_list("group", "content_object", "permission__codename"), held.of_groups),
        (
            grants_of(User)
            .filter(user__in=ids)
            .values_list("user", "content_object", "permission__codename"),
            held.own,
        ),
    )
    for grants, found in kinds:
        for holder, system, right in grants:
            found[holder, system] = found.get((holder, system), _NONE) | {SystemRight(right)}
    memberships = User.groups.through.objects.filter(user__in=ids).order_by("group__name")
    for user_id, group_id in memberships.values_list("user_id", "group_id"):
        held.groups_of.setdefault(user_id, []).append(group_id)
    return held


def _permissions(people: Sequence[User], held: _Held) -> dict[int, set[str]]:
    """What each may do at all, by their groups and themselves."""
    of_groups: dict[int, set[str]] = {}
    of_people: dict[int, set[str]] = {}
    label = ("content_type__app_label", "codename")
    through_groups = Permission.objects.filter(group__isnull=False).values_list("group", *label)
    own = Permission.objects.filter(user__in=people).values_list("user", *label)
    for grants, found in ((through_groups, of_groups), (own, of_people)):
        for holder, app, codename in grants:
            found.setdefault(holder, set()).add(f"{app}.{codename}")
    return {
        user.pk: of_people.get(user.pk, set()).union(
            *(of_groups.get(group, set()) for group in held.groups_of.get(user.pk, ()))
        )
        for user in people
    }


def _giving(held: _Held) -> set[int]:
    return {group for group, _system in held.of_groups}


def _group_row(group: Any, systems: Sequence[TicketSystem], held: _Held, by: User) -> Row:
    members = group.member_count
    return Row(
        key=f"g{group.pk}",
        name=group.name,
        note=f"{members} {'member' if members == 1 else 'members'}",
        boxes=[
            Box(system, right, right in held.of_groups.get((group.pk, system.pk), _NONE))
            for system in systems
            for right in SystemRight
        ],
        why_locked=_why_group_locked(group, by),
    )


def _person_row(
    user: User,
    systems: Sequence[TicketSystem],
    held: _Held,
    names: Mapping[int, str],
    tags: Mapping[int, str],
    permissions: set[str],
    by: User,
    ask: str,
) -> Row:
    reason = why_not_grantable(user, by=by)
    boxes = [_box(user, system, right, held, names, tags) for system in systems for right in SystemRight]
    effective = {
        right: {box.system.pk for box in boxes if box.right is right and (box.is_own or box.through)}
        for right in SystemRight
    }
    roles = ", ".join(names[group] for group in held.groups_of.get(user.pk, ()) if group in names)
    return Row(
        key=f"u{user.pk}",
        name=user.get_full_name() or user.get_username(),
        note=roles,
        username=user.get_username() if user.get_full_name() else "",
        boxes=boxes,
        why_locked=f"{reason} {ask}" if user.pk == by.pk else reason,
        why_not_viewed=why_not_view_as_one_of(user, permissions=permissions, systems=effective, by=by),
        user=user,
    )


def _why_group_locked(group: Group, by: User) -> str:
    """As why_not_grantable says; of a group they are in themselves, with those who can help."""
    reason = why_not_grantable(group, by=by)
    return f"{reason} {ask_whom(by, for_group=group)}" if reason == OWN_GROUP else reason


def _box(
    user: User,
    system: TicketSystem,
    right: SystemRight,
    held: _Held,
    names: Mapping[int, str],
    tags: Mapping[int, str],
) -> Box:
    giving = [
        group
        for group in held.groups_of.get(user.pk, ())
        if right in held.of_groups.get((group, system.pk), _NONE)
    ]
    return Box(
        system,
        right,
        right in held.own.get((user.pk, system.pk), _NONE),
        through=[names[group] for group in giving],
        tags=[tags[group] for group in giving],
    )


def plain(text: str) -> str:
    """What somebody typed to search, fit for a database: short, and without a NUL."""
    return text.replace("\x00", "").strip()[:100]


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and text.isascii() and len(text) < 10 else 0

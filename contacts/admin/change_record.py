"""The readable record of a change of groups: what each side held, why it came, what an undo would do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User

from contacts.change_words import name_of_user
from contacts.contact_page.differences import Difference, difference
from contacts.contact_page.why_links import in_words
from contacts.models import Contact, GroupAlias, GroupChange, GroupDecision, Link, SystemRef
from contacts.models import Mapping as Placement
from contacts.models.mapping import PrimaryBy
from contacts.models.person_details import DETAIL_FIELDS, name_of
from contacts.services.golden import golden_of
from contacts.services.group_undo import Outlook, outlook
from contacts.services.matching_rules import rules_of_links

LINKS_SHOWN = 12


@dataclass(frozen=True)
class HeldRef:
    """A ref as it stood before the change, with the GroupID that it stands under now; None: nowhere."""

    ref: SystemRef
    was_primary: bool
    primary_by: str
    since: datetime
    group_now: int | None


@dataclass(frozen=True)
class Pinned:
    """A golden field that somebody had given to one of these refs."""

    field: str
    ref: SystemRef | None
    by: str
    at: datetime


@dataclass(frozen=True)
class Side:
    """A Contact that took part: what it held, and whether its GroupID is alive or leads on."""

    group_id: int
    since: datetime
    refs: Sequence[HeldRef]
    pins: Sequence[Pinned]
    aliases: Sequence[int]
    is_living: bool
    leads_to: Sequence[int]


@dataclass(frozen=True)
class Because:
    """What brought two refs together, or keeps them apart, in words."""

    left: SystemRef
    right: SystemRef
    sentence: str
    weight: float | None = None


@dataclass(frozen=True)
class NotTaken:
    """A value of another side that is not the golden one, the refs that say it, and what is shown instead."""

    field: str
    value: Any
    refs: Sequence[SystemRef]
    golden: Any
    golden_ref: SystemRef | None


@dataclass(frozen=True)
class Undoing:
    """What an undo would do, over the refs that the reader may see."""

    back: Sequence[tuple[int, Sequence[SystemRef]]]
    added: Sequence[tuple[int, Sequence[SystemRef]]]
    gone: int
    revived: Sequence[int]
    retired: Sequence[int]
    blocked_by: GroupChange | None

    @property
    def moving(self) -> int:
        """How many refs would change their GroupID."""
        return sum(1 for group, refs in self.back for ref in refs if getattr(ref, "group_now", None) != group)


@dataclass(frozen=True)
class ChangeRecord:
    """All of it. `undoing` is None where the change was taken back, or takes one back itself."""

    change: GroupChange
    sides: Sequence[Side]
    after: Sequence[tuple[int, Sequence[SystemRef]]]
    because: Sequence[Because]
    not_taken: Sequence[NotTaken]
    undoing: Undoing | None
    undid: GroupChange | None


def change_record(change: GroupChange, *, user: User, country: str) -> ChangeRecord:
    """What there is to tell of a change that this user may see; a constant number of queries."""
    refs = _refs(change, user=user)
    undoes = GroupChange.objects.filter(undone_by=change)
    is_settled = change.undone_by_id is not None or undoes.exists()
    return ChangeRecord(
        change=change,
        sides=_sides(change, refs, user=user),
        after=[(int(group), [refs[r] for r in held if r in refs]) for group, held in change.after.items()],
        because=_because(change, refs, user=user),
        not_taken=[] if change.undone_by_id else _not_taken(change, refs, user=user, country=country),
        undoing=None if is_settled else undoing(change, user=user),
        undid=undoes.visible_to(user).first(),
    )


def undoing(change: GroupChange, *, user: User) -> Undoing:
    """The outlook of an undo with its refs; what the user may not see is left out.

    So is a newer change that blocks it: who files such an undo all the same is refused.
    """
    found: Outlook = outlook(change)
    ids = {ref for held in (*found.back.values(), *found.added.values()) for ref in held}
    refs = _loaded(ids, user=user)
    return Undoing(
        back=_groups(found.back, refs),
        added=[(group, here) for group, here in _groups(found.added, refs) if here],
        gone=len(found.gone),
        revived=found.revived,
        retired=found.retired,
        blocked_by=found.blocked_by if found.blocked_by and found.blocked_by.is_visible_to(user) else None,
    )


def _groups(
    held: Mapping[int, Sequence[int]], refs: Mapping[int, SystemRef]
) -> list[tuple[int, list[SystemRef]]]:
    return [(group, [refs[ref] for ref in sorted(ids) if ref in refs]) for group, ids in sorted(held.items())]


def _refs(change: GroupChange, *, user: User) -> dict[int, SystemRef]:
    before = {row[0] for held in change.before.values() for row in held["refs"]}
    return _loaded(before | {ref for held in change.after.values() for ref in held}, user=user)


def _loaded(ids: set[int], *, user: User) -> dict[int, SystemRef]:
    """The refs with their systems and, as `group_now`, the GroupID that each stands under."""
    found = SystemRef.objects.visible_to(user).filter(pk__in=ids).select_related("system", "mapping")
    refs = {ref.pk: ref for ref in found}
    for ref in refs.values():
        mapping = getattr(ref, "mapping", None)
        ref.group_now = mapping.contact_id if mapping else None
    return refs


def _sides(change: GroupChange, refs: Mapping[int, SystemRef], *, user: User) -> list[Side]:
    numbers = [int(group) for group in change.before]
    living = set(Contact.objects.filter(pk__in=numbers).values_list("pk", flat=True))
    leads: dict[int, list[int]] = {}
    aliases = GroupAlias.objects.visible_to(user).filter(group_id__in=numbers).order_by("contact")
    for number, contact_id in aliases.values_list("group_id", "contact"):
        leads.setdefault(number, []).append(contact_id)
    authors = {pin[4] for held in change.before.values() for pin in held["pins"]} - {None}
    names = {user.pk: name_of_user(user) for user in User.objects.filter(pk__in=authors)} if authors else {}
    return [
        Side(
            group_id=int(group),
            since=datetime.fromisoformat(held["since"]),
            refs=_held(held["refs"], refs),
            pins=[
                Pinned(_field_name(field), refs.get(ref), names.get(by, "") or origin, _moment(at))
                for _pk, field, ref, origin, by, at in held["pins"]
            ],
            aliases=[number for _pk, number, _at in held["aliases"]],
            is_living=int(group) in living,
            leads_to=leads.get(int(group), []),
        )
        for group, held in sorted(change.before.items(), key=lambda item: int(item[0]))
    ]


def _held(rows: Sequence[Sequence[Any]], refs: Mapping[int, SystemRef]) -> list[HeldRef]:
    found = [
        HeldRef(refs[pk], was_primary, str(PrimaryBy(by).label), _moment(since), refs[pk].group_now)  # type: ignore[attr-defined]
        for pk, was_primary, by, since in rows
        if pk in refs
    ]
    return sorted(found, key=lambda held: (not held.was_primary, held.ref.system.rank, held.ref.pk))


def _because(change: GroupChange, refs: Mapping[int, SystemRef], *, user: User) -> list[Because]:
    """Of a join the links between what was apart; of a split what keeps apart; a person's word first."""
    side_of = _side_of_before(change) if change.is_join else _side_of_after(change)
    pairs = {"left__in": list(refs), "right__in": list(refs)}
    joins = change.is_join
    kind = GroupDecision.Kind.MUST if joins else GroupDecision.Kind.NEVER
    decisions = GroupDecision.objects.visible_to(user).standing().filter(kind=kind, **pairs)
    links = Link.objects.visible_to(user).filter(**pairs).select_related("model_version")
    chosen = (
        links.filter(decision=Link.Decision.JOINED) if joins else links.exclude(decision=Link.Decision.JOINED)
    )

    def is_between(pair: Any) -> bool:
        sides = side_of.get(pair.left_id), side_of.get(pair.right_id)
        return None not in sides and sides[0] != sides[1]

    words = [one for one in decisions.select_related("author").order_by("pk") if is_between(one)]
    found = [Because(refs[one.left_id], refs[one.right_id], _said(one)) for one in words]
    decided = {(one.left_id, one.right_id) for one in words}
    rules = rules_of_links()
    found += [
        Because(refs[link.left_id], refs[link.right_id], in_words(link, rules=rules), link.weight)
        for link in chosen.order_by("-weight", "pk")
        if is_between(link) and (link.left_id, link.right_id) not in decided
    ]
    return found[:LINKS_SHOWN]


def _said(decision: GroupDecision) -> str:
    who = name_of_user(decision.author) if decision.author else "Their system"
    return f"{who} said that they {decision.get_kind_display()}."


def _side_of_before(change: GroupChange) -> dict[int, int]:
    return {row[0]: int(group) for group, held in change.before.items() for row in held["refs"]}


def _side_of_after(change: GroupChange) -> dict[int, int]:
    return {ref: int(group) for group, held in change.after.items() for ref in held}


def _not_taken(
    change: GroupChange, refs: Mapping[int, SystemRef], *, user: User, country: str
) -> list[NotTaken]:
    """Values of the sides that came in which the Contact that they came into does not show."""
    side_of, found = _side_of_before(change), []
    for group, held in change.after.items():
        came = [refs[ref] for ref in held if ref in refs and side_of.get(ref, int(group)) != int(group)]
        came = [ref for ref in came if ref.group_now == int(group)]  # type: ignore[attr-defined]
        if came:
            found += _not_golden(int(group), came, user=user, country=country)
    return found


def _not_golden(group_id: int, came: Sequence[SystemRef], *, user: User, country: str) -> list[NotTaken]:
    [contact] = Contact.objects.filter(pk=group_id).with_visible_refs(user)
    mappings: Sequence[Placement] = contact.visible_mappings
    golden = golden_of(mappings, contact.pins.all())
    refs = {mapping.system_ref_id: mapping.system_ref for mapping in mappings}
    lines: dict[tuple[str, str], list[SystemRef]] = {}
    values: dict[tuple[str, str], Any] = {}
    for field in DETAIL_FIELDS:
        shown = golden[field].value if field in golden else ""
        for ref in came:
            value = getattr(ref, field)
            if difference(field, value, shown, country=country) in (Difference.ALIKE, Difference.OTHER):
                lines.setdefault((field, str(value)), []).append(ref)
                values[field, str(value)] = value
    return [
        NotTaken(
            field=name_of(field),
            value=values[field, text],
            refs=said_by,
            golden=golden[field].value if field in golden else "",
            golden_ref=refs.get(golden[field].ref_id) if field in golden else None,
        )
        for (field, text), said_by in lines.items()
    ]


def _field_name(field: str) -> str:
    return name_of(field) if field in DETAIL_FIELDS else field


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)

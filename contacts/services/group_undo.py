"""What taking a change of groups back comes to: who goes where, what stays, and what has to go first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db.models import QuerySet

from contacts.group_plan import ChangeSet, Member, Part
from contacts.models import Contact, GroupChange, Move, SystemRef
from contacts.models import Mapping as Placed
from contacts.models.any_of import AnyOf


@dataclass(frozen=True)
class Outlook:
    """An undo foretold, in ids.

    `back`: to each GroupID the refs that it gets or keeps; `added` since, by the GroupID that keeps them;
    `gone`: refs that are here no more; `revived`: GroupIDs that live again; `retired`: those that end;
    `blocked_by`: the newer change that has to be taken back first.
    """

    back: Mapping[int, Sequence[int]]
    added: Mapping[int, Sequence[int]]
    gone: Sequence[int]
    revived: Sequence[int]
    retired: Sequence[int]
    blocked_by: GroupChange | None

    @property
    def moves_refs(self) -> bool:
        return bool(self.revived or self.retired)


def changes_of(contact: Contact) -> QuerySet:
    """The changes that moved a ref into or out of this Contact, or of one whose refs it holds now."""
    moved = Move.objects.exclude(change=None)
    ids = {
        *moved.filter(from_group=contact.pk).values_list("change", flat=True),
        *moved.filter(to_group=contact.pk).values_list("change", flat=True),
        *moved.filter(system_ref__mapping__contact=contact).values_list("change", flat=True),
    }
    return GroupChange.objects.filter(pk__in=ids)


def refs_before(change: GroupChange) -> dict[int, int]:
    """Each ref that the change kept, and the GroupID that it stood under before."""
    return {row[0]: int(group_id) for group_id, held in change.before.items() for row in held["refs"]}


def blocked_by(change: GroupChange) -> GroupChange | None:
    """The newest change that came later on the same Contacts and stands; undone changes block nothing."""
    groups = sorted({int(group_id) for group_id in (*change.before, *change.after)})
    later = Move.objects.filter(change__gt=change.pk, change__undone_by=None, change__undid=None)
    ids = [
        later.filter(AnyOf(end, groups)).order_by("-change").values_list("change", flat=True).first()
        for end in ("from_group", "to_group")
    ]
    newest = max((pk for pk in ids if pk), default=None)
    return GroupChange.objects.get(pk=newest) if newest else None


def concerned(change: GroupChange) -> list[int]:
    """The Contacts, as they stand, that an undo changes: those that hold a ref of the change now."""
    refs = list(refs_before(change))
    found = Placed.objects.filter(AnyOf("system_ref", refs)).values_list("contact", flat=True)
    return sorted(set(found))


def outlook(change: GroupChange) -> Outlook:
    """What an undo would do now. Asks for no rights: whoever shows it does. A few queries."""
    mappings = list(
        Placed.objects.filter(AnyOf("contact", concerned(change))).values_list(
            "pk", "contact_id", "is_primary"
        )
    )
    home = refs_before(change)
    back: dict[int, list[int]] = {}
    added: dict[int, list[int]] = {}
    for ref_id, contact_id, _primary in mappings:
        (back if ref_id in home else added).setdefault(home.get(ref_id, contact_id), []).append(ref_id)
    standing = {contact_id for _ref, contact_id, _primary in mappings}
    going_on = set(back) | set(added)
    known = set(SystemRef.objects.filter(AnyOf("id", list(home))).values_list("pk", flat=True))
    return Outlook(
        back=back,
        added=added,
        gone=sorted(set(home) - known),
        revived=sorted(going_on - standing),
        retired=sorted(standing - going_on),
        blocked_by=blocked_by(change),
    )


def undo_parts(change: GroupChange, members: Sequence[Member]) -> ChangeSet:
    """The Contacts as an undo leaves them; `members`: all refs of the Contacts concerned, as found first.

    Refs that came since stay where they are. Each Contact is led by the ref that led it before, where that
    is still here.
    """
    home = refs_before(change)
    led = {row[0] for held in change.before.values() for row in held["refs"] if row[1]}
    parts: dict[int, list[Member]] = {}
    for member in members:
        assert member.contact_id is not None
        parts.setdefault(home.get(member.ref_id, member.contact_id), []).append(member)
    return [
        Part(contact_id, here, _leader(here, contact_id, led)) for contact_id, here in sorted(parts.items())
    ]


def _leader(members: Sequence[Member], contact_id: int, led: set[int]) -> int:
    """Who led before; else who leads the Contact now; else who was found first."""
    before = [member.ref_id for member in members if member.ref_id in led]
    now = [m.ref_id for m in members if m.is_primary and m.contact_id == contact_id]
    return (before or now or [members[0].ref_id])[0]

"""Keeps every retired GroupID leading to the Contacts that its refs live on in."""

from collections.abc import Collection, Sequence
from datetime import datetime

from contacts.bulk import insert_rows
from contacts.models import GroupAlias, Move

Step = tuple[
    int, int | None, int
]  # a ref, the GroupID it stood under (None: unplaced), the one it stands under


def lead_on(steps: Sequence[Step], *, retired: Collection[int], now: datetime) -> None:
    """Give aliases to `retired` GroupIDs, and carry on those of Contacts that retired or were split.

    `steps` name every ref of these Contacts, also those that stay. Call it before the retired Contacts go.
    An alias follows the refs that once left the number it stands for, so that after a split it leads to the
    right part; there are no chains, and none is lost (R-CM-26).
    """
    targets: dict[int, dict[int, set[int]]] = {}  # a Contact -> where its refs went -> these refs
    for ref_id, source, target in steps:
        if source is not None:
            targets.setdefault(source, {}).setdefault(target, set()).add(ref_id)
    disturbed = [source for source, homes in targets.items() if source in retired or len(homes) > 1]
    if not disturbed:
        return
    standing = list(
        GroupAlias.objects.filter(contact__in=disturbed).values_list("pk", "group_id", "contact_id")
    )
    came_from = _came_from({number for _pk, number, _contact in standing}, targets, disturbed)
    wanted = {(source, target) for source in disturbed if source in retired for target in targets[source]}
    superseded = []
    for pk, number, contact_id in standing:
        homes = {
            target
            for target, refs in targets[contact_id].items()
            if any((number, ref_id) in came_from for ref_id in refs)
        } or set(targets[contact_id])
        wanted |= {(number, target) for target in homes if target != number}  # an undo may revive it
        if contact_id not in homes:
            superseded.append(pk)
    GroupAlias.objects.filter(pk__in=superseded).delete()
    there = set(
        GroupAlias.objects.filter(group_id__in={number for number, _ in wanted}).values_list(
            "group_id", "contact_id"
        )
    )
    insert_rows(
        GroupAlias,
        ["group_id", "contact", "at"],
        ((number, target, now) for number, target in sorted(wanted - there)),
    )


def _came_from(
    numbers: Collection[int], targets: dict[int, dict[int, set[int]]], disturbed: Sequence[int]
) -> set[tuple[int, int]]:
    """Pairs of a retired number and a ref that once left it."""
    if not numbers:
        return set()
    refs = [ref_id for source in disturbed for refs in targets[source].values() for ref_id in refs]
    moves = Move.objects.filter(from_group__in=numbers, system_ref__in=refs)
    pairs = moves.values_list("from_group", "system_ref_id")
    return {(number, ref_id) for number, ref_id in pairs if number is not None}

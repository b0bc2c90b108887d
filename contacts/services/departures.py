"""System Refs that are gone at their source, and back again: marked, followed where merged, led by others."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from contacts.bulk import insert_rows
from contacts.models import Contact, FieldChange, GoneRef, GroupDecision, SystemRef
from contacts.models import Mapping as Placement
from contacts.models.group_decision import MERGED_AT_SOURCE
from contacts.models.history import AT_SOURCE, Origin
from contacts.services.arrivals import chunks_of
from contacts.services.changes import record_changes
from contacts.services.gone_leads import hand_on_leads

STANDS = "standing"  # what history calls a ref that is at its source

_HISTORY = ("system_ref", "field", "before", "after", "origin", "actor", "job", "at")
Reason = GoneRef.Reason


@dataclass(frozen=True)
class Departure:
    """A System Ref that is gone at its source; `merged_into_id`: the ref that it lives on in, if told."""

    ref_id: int
    reason: GoneRef.Reason
    merged_into_id: int | None = None


@dataclass(frozen=True)
class _Known:
    """What is marked of a ref that stands here already: its system, and how it is gone."""

    system_id: int
    reason: str = ""
    merged_into_id: int | None = None


def mark_gone(found: Iterable[Departure], *, now: datetime) -> dict[str, int]:
    """Mark System Refs as gone at their source; returns how many were marked, or marked anew, by reason.

    Atomic per chunk and idempotent. History tells it; the Contacts are noted for the CRMs, and where their
    primary is gone and another ref stands, that leads at once. A merged account and the one it lives on in
    belong together by decision from now on, unless a decision on them stands. Being merely missing from a
    list never replaces a better reason.
    """
    counts: Counter[str] = Counter()
    for chunk in chunks_of(found):
        counts.update(_mark(chunk, now=now))
    return dict(counts)


def mark_back(ref_ids: Iterable[int], *, now: datetime) -> int:
    """Take the mark off refs that their source knows again; returns how many bore one.

    Atomic per chunk and idempotent. Decisions that followed from a merge are lifted. No primary switches for
    it (R-MDB-13) but in a Contact of which nothing stood.
    """
    return sum(_mark_back(chunk, now=now) for chunk in chunks_of(ref_ids))


@transaction.atomic
def _mark(chunk: Sequence[Departure], *, now: datetime) -> Counter[str]:
    known = _locked({departure.ref_id for departure in chunk})
    targets = _targets(chunk, known)
    news = {
        departure.ref_id: departure
        for departure in (_checked(each, known, targets) for each in chunk if each.ref_id in known)
        if _says_more(departure, known[departure.ref_id])
    }
    marked = [(each.reason.value, each.merged_into_id, each.ref_id) for each in news.values()]
    fresh = [row for row in marked if not known[row[2]].reason]
    insert_rows(
        GoneRef, ("reason", "merged_into", "system_ref", "noticed_at"), ((*row, now) for row in fresh)
    )
    for reason, merged_into_id, ref_id in marked:
        if known[ref_id].reason:
            GoneRef.objects.filter(pk=ref_id).update(reason=reason, merged_into=merged_into_id)
    _record({ref: (known[ref].reason or STANDS, each.reason.value) for ref, each in news.items()}, now=now)
    _decide(_pairs((each.ref_id, each.merged_into_id) for each in news.values()), now=now)
    _follow_up(news, now=now)
    return Counter(each.reason.value for each in news.values())


@transaction.atomic
def _mark_back(ref_ids: Sequence[int], *, now: datetime) -> int:
    back = {ref_id: known for ref_id, known in _locked(set(ref_ids)).items() if known.reason}
    GoneRef.objects.filter(pk__in=back).delete()
    _record({ref_id: (known.reason, STANDS) for ref_id, known in back.items()}, now=now)
    for left, right in _pairs((ref_id, known.merged_into_id) for ref_id, known in back.items()):
        GroupDecision.objects.standing().filter(
            left=left, right=right, author=None, reason=MERGED_AT_SOURCE
        ).update(until=now)
    _follow_up(back, now=now)
    return len(back)


def _locked(ref_ids: Iterable[int]) -> dict[int, _Known]:
    """The refs that exist, held so that two callers take turns, with what is marked of them."""
    refs = (
        SystemRef.objects.filter(pk__in=ref_ids).order_by("pk").select_for_update(no_key=True, of=("self",))
    )
    systems = dict(refs.values_list("pk", "system_id"))
    gone = GoneRef.objects.filter(pk__in=systems).values_list("pk", "reason", "merged_into")
    marks = {ref_id: mark for ref_id, *mark in gone}
    return {ref_id: _Known(system_id, *marks.get(ref_id, ())) for ref_id, system_id in systems.items()}


def _targets(chunk: Sequence[Departure], known: Mapping[int, _Known]) -> dict[int, int]:
    """The systems of the refs that others were merged into."""
    wanted = {each.merged_into_id for each in chunk if each.merged_into_id} - known.keys()
    found = dict(SystemRef.objects.filter(pk__in=wanted).values_list("pk", "system_id"))
    return found | {ref_id: each.system_id for ref_id, each in known.items()}


def _checked(each: Departure, known: Mapping[int, _Known], targets: Mapping[int, int]) -> Departure:
    """Without a target that is none: the ref itself, one of another system, one that we do not know."""
    is_target = (
        each.reason == Reason.MERGED
        and each.merged_into_id != each.ref_id
        and targets.get(each.merged_into_id or 0) == known[each.ref_id].system_id
    )
    return Departure(each.ref_id, each.reason, each.merged_into_id if is_target else None)


def _says_more(departure: Departure, known: _Known) -> bool:
    if not known.reason:
        return True
    if departure.reason == known.reason:
        return departure.merged_into_id not in (None, known.merged_into_id)
    return departure.reason != Reason.MISSING


def _pairs(merges: Iterable[tuple[int, int | None]]) -> Iterator[tuple[int, int]]:
    """Each merge as decisions name pairs: the lower id first."""
    for ref_id, merged_into_id in merges:
        if merged_into_id is not None:
            yield min(ref_id, merged_into_id), max(ref_id, merged_into_id)


def _decide(pairs: Iterable[tuple[int, int]], *, now: datetime) -> None:
    """That the two belong together; a decision that stands, either way, is left."""
    GroupDecision.objects.bulk_create(
        [
            GroupDecision(
                kind=GroupDecision.Kind.MUST, left_id=left, right_id=right, reason=MERGED_AT_SOURCE, since=now
            )
            for left, right in dict.fromkeys(pairs)
        ],
        ignore_conflicts=True,
    )


def _record(changes: Mapping[int, tuple[str, str]], *, now: datetime) -> None:
    rows = (
        (ref_id, AT_SOURCE, before, after, Origin.PULL.value, None, None, now)
        for ref_id, (before, after) in changes.items()
    )
    insert_rows(FieldChange, _HISTORY, rows)


def _follow_up(ref_ids: Iterable[int], *, now: datetime) -> None:
    """Leads that have to be handed on, and the notes for the CRMs; locks the Contacts."""
    placed = Placement.objects.filter(pk__in=list(ref_ids)).values_list("contact", flat=True)
    contact_ids = sorted(set(placed))
    list(Contact.objects.select_for_update().filter(pk__in=contact_ids).order_by("pk").values_list("pk"))
    hand_on_leads(contact_ids, now=now)
    record_changes(contact_ids, now=now)

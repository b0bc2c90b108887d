"""Compares the mapping as it stands with the truth about who is who, pair by pair."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from contacts.models import Mapping

_ROWS_AT_ONCE = 2_000


@dataclass(frozen=True)
class TrueRow:
    """Who a System Ref really is; `line` is where its file says so."""

    line: int
    system: str
    system_ref: str
    person: str


@dataclass(frozen=True)
class Quality:
    """Pairwise, over the refs that the truth names: of the pairs grouped, how many are right (precision);
    of the pairs that belong together, how many are grouped (recall). 1 where there is no pair at all.
    """

    precision: float
    recall: float
    f1: float
    groups: int
    largest_group: int


@dataclass(frozen=True)
class Evaluation:
    """The quality, and the truth's rows that say nothing: (line, reason)."""

    quality: Quality
    refused: Sequence[tuple[int, str]]


def evaluate(truth: Iterator[TrueRow]) -> Evaluation:
    """Read the truth once, in order; rows whose ref is unknown, unplaced or named twice are left out."""
    refused: list[tuple[int, str]] = []
    pairs: Counter[tuple[str, int]] = Counter()
    seen: set[int] = set()
    while rows := list(islice(truth, _ROWS_AT_ONCE)):
        places = _places(rows)
        for row in rows:
            ref_id, contact_id = places.get((row.system, row.system_ref), (None, None))
            if contact_id is None or ref_id is None:
                refused.append((row.line, f"{row.system} {row.system_ref} is unknown or not placed yet."))
            elif ref_id in seen:
                refused.append((row.line, f"{row.system} {row.system_ref} is named twice."))
            else:
                seen.add(ref_id)
                pairs[row.person, contact_id] += 1
    return Evaluation(measure(pairs), refused)


def measure(shared: Counter[tuple[str, int]]) -> Quality:
    """The quality, from how many refs each person and each group share."""
    people: Counter[str] = Counter()
    groups: Counter[int] = Counter()
    for (person, group), refs in shared.items():
        people[person] += refs
        groups[group] += refs
    right, true, found = _pairs(shared), _pairs(people), _pairs(groups)
    precision = right / found if found else 1.0
    recall = right / true if true else 1.0
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return Quality(
        precision=round(precision, 6),
        recall=round(recall, 6),
        f1=round(f1, 6),
        groups=len(groups),
        largest_group=max(groups.values(), default=0),
    )


def _pairs(counts: Counter) -> int:
    return sum(count * (count - 1) // 2 for count in counts.values())


def _places(rows: Sequence[TrueRow]) -> dict[tuple[str, str], tuple[int, int]]:
    """Where these refs are: (system, system_ref) -> (ref, Contact)."""
    found = Mapping.objects.filter(
        system_ref__system__code__in={row.system for row in rows},
        system_ref__system_ref__in={row.system_ref for row in rows},
    )
    columns = ("system_ref__system__code", "system_ref__system_ref", "system_ref_id", "contact_id")
    return {
        (code, ref): (ref_id, contact_id) for code, ref, ref_id, contact_id in found.values_list(*columns)
    }

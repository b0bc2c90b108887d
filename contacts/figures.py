"""The heavy figures of the overview: counted in two passes over the visible systems, and kept."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from time import perf_counter
from typing import Any

from django.core.cache import cache
from django.db import connection
from django.db.models import BigIntegerField, Case, Count, F, Q, Sum, Value, When
from django.db.models.functions import Coalesce

from contacts.models import KeptFigures, SystemRef

KEPT_FOR = timedelta(minutes=5)
SECONDS_KEPT_PER_SECOND = 1_000
STALE_AFTER = timedelta(days=2 * 365)
# A bigint holds this many one-bit marks, one per system, without running into its sign.
SYSTEMS_PER_MASK = 60


@dataclass(frozen=True)
class SystemFigures:
    """Counts over the System Refs of one system."""

    system_id: int
    refs: int = 0
    unplaced: int = 0
    with_email: int = 0
    with_phone: int = 0
    with_birth_date: int = 0
    with_address: int = 0
    stale: int = 0
    gone: int = 0


@dataclass(frozen=True)
class Figures:
    """Counts over a set of systems, as of one moment; nothing outside the set enters them (R-MDB-16, 22).

    `sizes` maps a number of visible refs to the Contacts with so many; `shared` maps two system ids, in
    either order, to the Contacts that both know, and an id with itself to those that the system knows.
    """

    as_of: datetime
    systems: Mapping[int, SystemFigures]
    sizes: Mapping[int, int]
    shared: Mapping[tuple[int, int], int]
    in_several: int

    @property
    def refs(self) -> int:
        return sum(system.refs for system in self.systems.values())

    def only(self, system_ids: Collection[int]) -> "Figures":
        """The records of some of the systems; how they are placed is not told apart by system."""
        systems = {pk: found for pk, found in self.systems.items() if pk in system_ids}
        return Figures(as_of=self.as_of, systems=systems, sizes={}, shared={}, in_several=0)

    @property
    def unplaced(self) -> int:
        return sum(system.unplaced for system in self.systems.values())

    @property
    def contacts(self) -> int:
        return sum(self.sizes.values())

    @property
    def refs_per_contact(self) -> float:
        """Placed refs per Contact; 0 before anything is placed."""
        return (self.refs - self.unplaced) / self.contacts if self.contacts else 0

    def to_json(self) -> dict[str, Any]:
        """As a JSON column holds it, whose keys are texts."""
        return {
            "as_of": self.as_of.isoformat(),
            "systems": [asdict(system) for system in self.systems.values()],
            "sizes": list(self.sizes.items()),
            "shared": [[*pair, contacts] for pair, contacts in self.shared.items()],
            "in_several": self.in_several,
        }

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> "Figures":
        systems = [SystemFigures(**system) for system in kept["systems"]]
        return cls(
            as_of=datetime.fromisoformat(kept["as_of"]),
            systems={system.system_id: system for system in systems},
            sizes=dict(kept["sizes"]),
            shared={(left, right): contacts for left, right, contacts in kept["shared"]},
            in_several=kept["in_several"],
        )


def figures_of(system_ids: Collection[int], *, now: datetime, since: object = None) -> Figures:
    """The figures over these systems, kept a while; `since` names the last thing that changed them.

    Kept per set of systems, so that a right given or taken away shows at once; those that the night has
    counted serve every process. Empty figures are not kept: on a fresh install the first import is to be
    seen at once.
    """
    key = _cache_key(system_ids, since)
    kept = cache.get(key) or _of_the_night(system_ids, now=now)
    if kept is None:
        started = perf_counter()
        kept = count_figures(system_ids, now=now)
        if kept.refs:
            # Counting a million takes seconds: then the figures stand for hours, or until somebody refreshes.
            dear = (perf_counter() - started) * SECONDS_KEPT_PER_SECOND
            cache.set(key, kept, max(KEPT_FOR.total_seconds(), dear))
    return kept


def records_of(system_ids: Collection[int], *, now: datetime) -> Figures:
    """What the refs of these systems hold, counted now; not how they are placed, which takes far longer."""
    return Figures(as_of=now, systems=_by_system(system_ids, now=now), sizes={}, shared={}, in_several=0)


def refs_alone(system_ids: Collection[int]) -> Mapping[int, SystemFigures]:
    """How many refs each of these systems holds and nothing else, for a page that shows no other figure.

    Counted from the index over the systems, which takes a tenth of what the figures take; kept like them.
    """
    key = _cache_key(system_ids, "refs alone")
    kept = cache.get(key)
    if kept is None:
        rows = SystemRef.objects.filter(system__in=system_ids).values("system_id").order_by()
        kept = {row["system_id"]: SystemFigures(**row) for row in rows.annotate(refs=Count("pk"))}
        if kept:
            cache.set(key, kept, KEPT_FOR.total_seconds())
    return kept


def forget_figures(system_ids: Collection[int], *, since: object = None) -> None:
    """Have the next look at these systems count afresh."""
    cache.delete(_cache_key(system_ids, since))
    KeptFigures.objects.filter(set_of_systems=set_key(system_ids)).delete()


def set_key(system_ids: Collection[int]) -> str:
    """What names a set of systems, and no other, however many they are."""
    return hashlib.sha256(str(sorted(system_ids)).encode()).hexdigest()


def _of_the_night(system_ids: Collection[int], *, now: datetime) -> Figures | None:
    row = KeptFigures.objects.filter(set_of_systems=set_key(system_ids), until__gt=now).first()
    return Figures.from_json(row.figures) if row else None


def count_figures(system_ids: Collection[int], *, now: datetime) -> Figures:
    """Count in two passes over the refs, however many systems: what they hold, and how they are placed."""
    systems = _by_system(system_ids, now=now)
    sizes: dict[int, int] = {}
    shared: dict[tuple[int, int], int] = {}
    in_several = 0
    for placing in _placings(sorted(system_ids)):
        if not placing.is_placed:
            [system_id] = placing.members
            systems[system_id] = replace(systems[system_id], unplaced=placing.refs)
            continue
        sizes[placing.refs] = sizes.get(placing.refs, 0) + placing.times
        in_several += placing.times if len(placing.members) > 1 else 0
        for left in placing.members:
            for right in placing.members:
                shared[left, right] = shared.get((left, right), 0) + placing.times
    return Figures(as_of=now, systems=systems, sizes=sizes, shared=shared, in_several=in_several)


def _by_system(system_ids: Collection[int], *, now: datetime) -> dict[int, SystemFigures]:
    known_at = Coalesce("updated_at", "created_at", "arrived_at")
    rows = (
        SystemRef.objects.filter(system__in=system_ids)
        .alias(known_at=known_at)
        .values("system_id")
        .annotate(
            refs=Count("pk"),
            with_email=Count("pk", filter=~Q(email="")),
            with_phone=Count("pk", filter=~Q(phone="", mobile="")),
            with_birth_date=Count("date_of_birth"),
            with_address=Count("pk", filter=~Q(address1="")),
            stale=Count("pk", filter=Q(known_at__lt=now - STALE_AFTER)),
            gone=Count("gone"),
        )
        .order_by()
    )
    return {row["system_id"]: SystemFigures(**row) for row in rows}


@dataclass(frozen=True)
class _Placing:
    """So many visible refs in these systems: of each of so many Contacts, or of none, of one system."""

    refs: int
    members: list[int]
    times: int
    is_placed: bool


def _placings(system_ids: list[int]) -> list[_Placing]:
    """How the refs are placed.

    Each Contact's systems are folded into bit masks, so that a million mappings are read once and only one
    row per combination comes back. Refs that wait for a Contact are folded by their system.
    """
    if not system_ids:
        return []
    words = [
        system_ids[start : start + SYSTEMS_PER_MASK] for start in range(0, len(system_ids), SYSTEMS_PER_MASK)
    ]
    masks = {
        f"mask{number}": Sum(
            Case(
                *[When(system=pk, then=Value(1 << bit)) for bit, pk in enumerate(word)],
                default=Value(0),
                output_field=BigIntegerField(),
            ),
            distinct=True,
        )
        for number, word in enumerate(words)
    }
    waiting = Case(When(mapping=None, then=F("system_id")), output_field=BigIntegerField())
    folded = (
        SystemRef.objects.filter(system__in=system_ids)
        .order_by()
        .annotate(waiting=waiting)
        .values("mapping__contact_id", "waiting")
        .annotate(size=Count("pk"), **masks)
        .values("size", "waiting", *masks)
    )
    inner, parameters = folded.query.sql_with_params()
    columns = ", ".join(["size", "waiting", *masks])
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns}, COUNT(*) FROM ({inner}) AS folded GROUP BY {columns}", parameters)
        return [
            _Placing(size, _members(words, [int(mask) for mask in found]), times, is_placed=waiting is None)
            for size, waiting, *found, times in cursor.fetchall()
        ]


def _members(words: list[list[int]], masks: list[int]) -> list[int]:
    return [
        pk for word, mask in zip(words, masks, strict=True) for bit, pk in enumerate(word) if mask >> bit & 1
    ]


def _cache_key(system_ids: Collection[int], since: object) -> str:
    named = f"{sorted(system_ids)} {since}"
    return f"overview:{hashlib.sha256(named.encode()).hexdigest()}"

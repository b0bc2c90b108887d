"""The heavy figures of the overview: counted in two passes over the visible systems, kept for minutes."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import perf_counter

from django.core.cache import cache
from django.db import connection
from django.db.models import BigIntegerField, Case, Count, Q, Sum, Value, When
from django.db.models.functions import Coalesce

from contacts.models import Mapping as RefMapping
from contacts.models import SystemRef

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


def figures_of(system_ids: Collection[int], *, now: datetime, since: object = None) -> Figures:
    """The figures over these systems, kept a while; `since` names the last thing that changed them.

    Kept per set of systems, so that a right given or taken away shows at once. Empty figures are not kept:
    on a fresh install the first import is to be seen at once.
    """
    key = _cache_key(system_ids, since)
    kept = cache.get(key)
    if kept is None:
        started = perf_counter()
        kept = count_figures(system_ids, now=now)
        if kept.refs:
            # Counting a million takes seconds: then the figures stand for hours, or until somebody refreshes.
            dear = (perf_counter() - started) * SECONDS_KEPT_PER_SECOND
            cache.set(key, kept, max(KEPT_FOR.total_seconds(), dear))
    return kept


def forget_figures(system_ids: Collection[int], *, since: object = None) -> None:
    """Have the next look at these systems count afresh."""
    cache.delete(_cache_key(system_ids, since))


def count_figures(system_ids: Collection[int], *, now: datetime) -> Figures:
    """Count in two grouped passes, however many systems: one over the refs, one over the mappings."""
    sizes: dict[int, int] = {}
    shared: dict[tuple[int, int], int] = {}
    in_several = 0
    for size, members, contacts in _contacts_by_systems(sorted(system_ids)):
        sizes[size] = sizes.get(size, 0) + contacts
        in_several += contacts if len(members) > 1 else 0
        for left in members:
            for right in members:
                shared[left, right] = shared.get((left, right), 0) + contacts
    return Figures(
        as_of=now, systems=_by_system(system_ids, now=now), sizes=sizes, shared=shared, in_several=in_several
    )


def _by_system(system_ids: Collection[int], *, now: datetime) -> dict[int, SystemFigures]:
    known_at = Coalesce("updated_at", "created_at", "arrived_at")
    rows = (
        SystemRef.objects.filter(system__in=system_ids)
        .alias(known_at=known_at)
        .values("system_id")
        .annotate(
            refs=Count("pk"),
            unplaced=Count("pk", filter=Q(mapping=None)),
            with_email=Count("pk", filter=~Q(email="")),
            with_phone=Count("pk", filter=~Q(phone="", mobile="")),
            with_birth_date=Count("date_of_birth"),
            with_address=Count("pk", filter=~Q(address1="")),
            stale=Count("pk", filter=Q(known_at__lt=now - STALE_AFTER)),
        )
        .order_by()
    )
    return {row["system_id"]: SystemFigures(**row) for row in rows}


def _contacts_by_systems(system_ids: list[int]) -> list[tuple[int, list[int], int]]:
    """Rows of (visible refs of a Contact, the systems they stand in, Contacts like that).

    Each Contact's systems are folded into bit masks, so that a million mappings are read once and only one
    row per combination comes back.
    """
    if not system_ids:
        return []
    words = [
        system_ids[start : start + SYSTEMS_PER_MASK] for start in range(0, len(system_ids), SYSTEMS_PER_MASK)
    ]
    masks = {
        f"mask{number}": Sum(
            Case(
                *[When(system_ref__system=pk, then=Value(1 << bit)) for bit, pk in enumerate(word)],
                default=Value(0),
                output_field=BigIntegerField(),
            ),
            distinct=True,
        )
        for number, word in enumerate(words)
    }
    per_contact = (
        RefMapping.objects.filter(system_ref__system__in=system_ids)
        .order_by()
        .values("contact_id")
        .annotate(size=Count("pk"), **masks)
        .values("size", *masks)
    )
    inner, parameters = per_contact.query.sql_with_params()
    columns = ", ".join(["size", *masks])
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {columns}, COUNT(*) FROM ({inner}) AS per_contact GROUP BY {columns}", parameters
        )
        return [
            (size, _members(words, [int(mask) for mask in folded]), contacts)
            for size, *folded, contacts in cursor.fetchall()
        ]


def _members(words: list[list[int]], masks: list[int]) -> list[int]:
    return [
        pk for word, mask in zip(words, masks, strict=True) for bit, pk in enumerate(word) if mask >> bit & 1
    ]


def _cache_key(system_ids: Collection[int], since: object) -> str:
    named = f"{sorted(system_ids)} {since}"
    return f"overview:{hashlib.sha256(named.encode()).hexdigest()}"

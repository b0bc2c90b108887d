"""Places new System Refs by day; joining and splitting Contacts waits for the night (PRODUCT.md)."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa
from django.conf import settings

from contacts.exclusive import AlreadyRunning, exclusive
from contacts.group_plan import Plan
from contacts.grouping.candidates import OutgrownKeys
from contacts.grouping.delta import Terms
from contacts.grouping.records import PARTITION_SCHEMA
from contacts.models import ModelVersion, SystemRef
from contacts.services.brake import limits
from contacts.services.grouping_delta import DeltaFound, find_changes
from contacts.services.grouping_found import MANY_CHANGES
from contacts.services.grouping_input import read_standing
from contacts.services.grouping_links import standing_links, write_links
from contacts.services.grouping_state import Pending
from contacts.services.grouping_terms import standing_basis
from contacts.services.regroup import GROUPING, write_plan


def place_new_refs(*, now: datetime) -> int:
    """Place the refs that no run has placed: into the Contact that they match, else into a new one.

    Of several Contacts that match it is the one that survives when the night joins them, the lowest. Returns
    how many were placed: none before the first full run, while a run is at work, or where they are so many
    that the night had better look at everything; none with a key that has become too common (ADR 0011); and
    none into a Contact that would come to hold more refs than the brake lets pass unseen. They stay marked,
    so that the night looks at them as at any other change: its groups are what a full run finds, whatever
    was placed by day. Idempotent.
    """
    try:
        with exclusive(GROUPING):
            return _place(now=now)
    except AlreadyRunning:
        return 0


def _place(*, now: datetime) -> int:
    basis = standing_basis(now=now)
    new = list(SystemRef.objects.unplaced().order_by("pk").values_list("pk", flat=True)[: MANY_CHANGES + 1])
    if basis is None or basis.version is None or not 0 < len(new) <= MANY_CHANGES:
        return 0
    found, placeable = _find(new, terms=basis.terms)
    if found is None:
        return 0
    standing = read_standing(found.refs["ref_id"].to_pylist())
    partition = _only_placing(found.partition, standing, largest=limits().largest)
    with Plan(
        partition,
        standing=standing,
        order=found.refs,
        memory_limit=settings.GROUPING_MEMORY,
        threads=settings.GROUPING_THREADS,
    ) as plan:
        decided = {*basis.terms.decisions.must, *basis.terms.decisions.never}
        waiting = write_plan(plan, pairs=decided, run=None, now=now, progress=lambda _refs: None)
    placed = set(placeable).intersection(partition["ref_id"].to_pylist()) - waiting
    _explain(found, partition, placed=placed, version=basis.version)
    return len(placed)


def _find(new: Sequence[int], *, terms: Terms) -> tuple[DeltaFound | None, Sequence[int]]:
    """What these refs come to, and which they are: without those of a key that has become too common, for
    which the night freezes a new model. None where nobody else is left."""
    while new:
        try:
            return find_changes(Pending(marks=[], ref_ids=new, made=[], lifted=[]), terms=terms), new
        except OutgrownKeys as outgrown:
            others = [ref_id for ref_id in new if ref_id not in outgrown.ref_ids]
            new = others if len(others) < len(new) else []
    return None, []


def _only_placing(partition: pa.Table, standing: pa.Table, *, largest: int) -> pa.Table:
    """The partition that leaves every placed ref where it stands, without new refs for which the brake would
    hold a night. A Contact is a group under its negative number, which no group of new refs has."""
    contact_of = dict(zip(standing["ref_id"].to_pylist(), standing["contact_id"].to_pylist(), strict=True))
    rows = list(zip(partition["ref_id"].to_pylist(), partition["group_id"].to_pylist(), strict=True))
    lowest: dict[int, int] = {}
    for ref_id, group_id in rows:
        if ref_id in contact_of:
            lowest[group_id] = min(contact_of[ref_id], lowest.get(group_id, contact_of[ref_id]))
    groups = [
        -contact_of[ref_id] if ref_id in contact_of else -lowest[group_id] if group_id in lowest else group_id
        for ref_id, group_id in rows
    ]
    sizes = Counter(groups)
    kept = [
        ref_id in contact_of or sizes[group] <= largest
        for (ref_id, _), group in zip(rows, groups, strict=True)
    ]
    table = pa.table([partition["ref_id"], pa.array(groups, pa.int64())], schema=PARTITION_SCHEMA)
    return table.filter(pa.array(kept, pa.bool_()))


def _explain(found: DeltaFound, partition: pa.Table, *, placed: set[int], version: ModelVersion) -> None:
    """Keep the links that put these refs where they are; the night writes those that lead to others."""
    group_of = dict(zip(partition["ref_id"].to_pylist(), partition["group_id"].to_pylist(), strict=True))
    is_within = [
        decision == "joined"
        and (left in placed or right in placed)
        and group_of.get(left) == group_of.get(right, 0)
        for left, right, decision in zip(
            *(found.links[name].to_pylist() for name in ("left_id", "right_id", "decision")), strict=True
        )
    ]
    links = found.links.filter(pa.array(is_within, pa.bool_()))
    standing = standing_links(of=placed)
    write_links(links, version=version, progress=lambda _rows: None, standing=standing)

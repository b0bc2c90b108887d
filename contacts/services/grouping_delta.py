"""Finds what a run over the changes alone comes to: who is touched, their links, their groups."""

from collections.abc import Collection, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from contacts.columnar import among, read_table
from contacts.grouping.delta import Terms, compare, keys_of, otherwise_joinable, recluster, redecide
from contacts.grouping.keys import SLOT_NAMES, fellows
from contacts.grouping.records import LINK_SCHEMA
from contacts.services.grouping_input import read_refs
from contacts.services.grouping_links import standing_links
from contacts.services.grouping_state import Pending, holders, kept_keys, known_prints

_REF = pa.schema([("ref_id", pa.int64())])


@dataclass(frozen=True)
class DeltaFound:
    """What a run over the changes comes to.

    `refs` and their `partition`: every group that can have changed, whole. `links`: all that should be in the
    place of `standing_links`; `redecided`: others of these groups that are decided otherwise now, without
    their evidence. `settled`: the joinable links of these groups as decided now. `keys`: of changed refs.
    """

    refs: pa.Table
    partition: pa.Table
    links: pa.Table
    standing_links: pa.Table
    redecided: pa.Table
    settled: pa.Table
    keys: pa.Table


def find_changes(pending: Pending, *, terms: Terms) -> DeltaFound:
    """What the pending refs and decisions come to, with the links that stand among all others."""
    keys = keys_of(read_refs(pending.ref_ids), known=known_prints(pending.ref_ids), terms=terms)
    changed = _with_sharers(pending.ref_ids, keys, ["content"], terms=terms)
    context = _with_sharers(changed, keys, terms.context_slots, terms=terms)
    as_they_are = pa.concat_tables([keys, kept_keys(changed.difference(keys["ref_id"].to_pylist()))])
    sharing = holders(_numbers(as_they_are, ["content", *SLOT_NAMES], terms=terms))
    near = context | sharing | _decided_with(changed, terms)
    links = compare(read_refs(near), changed=changed, context=context, terms=terms)
    before = standing_links(of=changed, between=context)
    touched = _closure(changed | _ends(otherwise_joinable(links, before)) | _decided_with(changed, terms))
    refs = read_refs(touched)
    others = _other_joinable(touched, changed=changed, context=context)
    joinable = links.filter(links["is_joinable"])
    ends = (pc.is_in(joinable[end], pa.array(sorted(touched), pa.int64())) for end in ("left_id", "right_id"))
    partition, settled = recluster(
        refs, pa.concat_tables([joinable.filter(pc.and_(*ends)), others]), terms=terms
    )
    return DeltaFound(
        refs=refs,
        partition=partition,
        links=redecide(links, settled, standing=before),
        standing_links=before,
        redecided=_decided_otherwise(others, settled),
        settled=settled,
        keys=keys,
    )


def _with_sharers(
    ref_ids: Collection[int], keys: pa.Table, slots: Sequence[str], *, terms: Terms
) -> set[int]:
    """These refs, with all who share a key of these slots with one of them, as it was or as it is, in turn.
    `keys`: the new ones of those that changed."""
    found = set(ref_ids)
    frontier = pa.concat_tables([keys, kept_keys(ref_ids)])
    while frontier.num_rows:
        sharers = holders(_numbers(frontier, slots, terms=terms)) - found
        found |= sharers
        frontier = kept_keys(sharers)
    return found


def _decided_otherwise(before: pa.Table, settled: pa.Table) -> pa.Table:
    after = redecide(before, settled)
    before = before.sort_by([("left_id", "ascending"), ("right_id", "ascending")])
    differs = pc.not_equal(before["decision"], after["decision"])
    guards = (pc.fill_null(table["guard"], "") for table in (before, after))
    return after.filter(pc.or_(differs, pc.not_equal(*guards)))


def _numbers(keys: pa.Table, slots: Iterable[str], *, terms: Terms) -> dict[str, set[int]]:
    """For each slot in which one of the keys can stand, the numbers to look for."""
    wanted: dict[str, set[int]] = {}
    family = fellows(terms.kinds) | {"content": ["content"]}
    for slot in slots:
        numbers = set(pc.unique(keys[slot].drop_null()).to_pylist())
        for fellow in family.get(slot, ()):
            wanted.setdefault(fellow, set()).update(numbers)
    return wanted


def _decided_with(ref_ids: Collection[int], terms: Terms) -> set[int]:
    """The other ends of standing decisions about these refs."""
    pairs = [*terms.decisions.must, *terms.decisions.never]
    return {end for pair in pairs if pair[0] in ref_ids or pair[1] in ref_ids for end in pair}


def _ends(links: pa.Table) -> set[int]:
    return set(links["left_id"].to_pylist()) | set(links["right_id"].to_pylist())


def _closure(start: set[int]) -> set[int]:
    """All who hang together with these by joinable links, or share a Contact with one who does."""
    reached, frontier = set(start), set(start)
    while frontier:
        frontier = _neighbours(frontier) - reached
        reached |= frontier
    return reached


def _neighbours(ref_ids: Collection[int]) -> set[int]:
    left, params = among("left_id", ref_ids)
    right, _ = among("right_id", ref_ids)
    mine, _ = among("system_ref_id", ref_ids)
    found = read_table(
        f"SELECT right_id FROM contacts_link WHERE is_joinable AND {left}"
        f" UNION ALL SELECT left_id FROM contacts_link WHERE is_joinable AND {right}"
        " UNION ALL SELECT system_ref_id FROM contacts_mapping WHERE contact_id IN"
        f" (SELECT contact_id FROM contacts_mapping WHERE {mine})",
        _REF,
        params * 3,
    )
    return set(pc.unique(found["ref_id"]).to_pylist())


def _other_joinable(
    ref_ids: AbstractSet[int], *, changed: AbstractSet[int], context: Collection[int]
) -> pa.Table:
    """LINK_SCHEMA of the joinable links among these refs that were not looked at, with a blank where the
    evidence would be."""
    condition, params = among("left_id", ref_ids - changed)
    links = read_table(
        "SELECT left_id, right_id, decision, rule, guard, weight, household, '' AS evidence, is_joinable,"
        f" is_forgiven FROM contacts_link WHERE is_joinable AND {condition}",
        LINK_SCHEMA,
        params,
    )
    left, right = links["left_id"], links["right_id"]
    within = pc.is_in(right, pa.array(sorted(ref_ids - changed), pa.int64()))
    in_context = pa.array(sorted(context), pa.int64())
    looked_at = pc.and_(pc.is_in(left, in_context), pc.is_in(right, in_context))
    return links.filter(pc.and_(within, pc.invert(looked_at)))

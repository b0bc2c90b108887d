"""Finds what a run over the changes alone comes to: who is touched, their links, their groups."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from contacts.columnar import among, read_table
from contacts.grouping.delta import Terms, compare, keys_of, recluster, redecide
from contacts.grouping.keys import SLOT_NAMES, fellows
from contacts.grouping.records import LINK_SCHEMA
from contacts.services.grouping_input import read_refs
from contacts.services.grouping_state import Pending, holders, kept_keys, known_prints

_PAIR = pa.schema([("left_id", pa.int64()), ("right_id", pa.int64())])


@dataclass(frozen=True)
class DeltaFound:
    """`refs` and their `partition`: every group that can have changed, whole. `links`: all those with an end
    in `fresh`; `redecided`: others of these groups that are decided otherwise now, without their evidence.
    `settled`: the joinable links of these groups as decided now. `keys`: of refs that changed."""

    refs: pa.Table
    partition: pa.Table
    fresh: frozenset[int]
    links: pa.Table
    redecided: pa.Table
    settled: pa.Table
    keys: pa.Table


def find_changes(pending: Pending, *, terms: Terms) -> DeltaFound:
    """What the pending refs and decisions come to, with the links that stand among all others."""
    keys = keys_of(read_refs(pending.ref_ids), known=known_prints(pending.ref_ids), terms=terms)
    fresh = _with_context(pending.ref_ids, keys, terms=terms)
    around = pa.concat_tables([keys, kept_keys(fresh)])
    near = (
        fresh | holders(_numbers(around, ["content", *SLOT_NAMES], terms=terms)) | _decided_with(fresh, terms)
    )
    links = compare(read_refs(near), fresh=pa.array(sorted(fresh), pa.int64()), terms=terms)
    joinable = links.filter(links["is_joinable"])
    touched_ids = _closure(fresh | _ends(joinable) | _decided_with(fresh, terms))
    refs = read_refs(touched_ids)
    standing = _standing_joinable(touched_ids - fresh)
    partition, settled = recluster(refs, pa.concat_tables([joinable, standing]), terms=terms)
    return DeltaFound(
        refs=refs,
        partition=partition,
        fresh=frozenset(fresh),
        links=redecide(links, settled),
        redecided=_decided_otherwise(standing, settled),
        settled=settled,
        keys=keys,
    )


def _with_context(ref_ids: Collection[int], keys: pa.Table, *, terms: Terms) -> set[int]:
    """These refs, whose new `keys` are given, with all who share a context with one of them, in turn."""
    fresh = set(ref_ids)
    frontier = pa.concat_tables([keys, kept_keys(ref_ids)])
    while frontier.num_rows:
        found = holders(_numbers(frontier, terms.context_slots, terms=terms)) - fresh
        fresh |= found
        frontier = kept_keys(found)
    return fresh


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
    mine, _ = among("mine.system_ref_id", ref_ids)
    pairs = read_table(
        f"SELECT left_id, right_id FROM contacts_link WHERE is_joinable AND {left}"
        f" UNION ALL SELECT left_id, right_id FROM contacts_link WHERE is_joinable AND {right}"
        " UNION ALL SELECT mine.system_ref_id, mates.system_ref_id FROM contacts_mapping mine"
        f" JOIN contacts_mapping mates ON mates.contact_id = mine.contact_id WHERE {mine}",
        _PAIR,
        params * 3,
    )
    return _ends(pairs)


def _standing_joinable(ref_ids: Collection[int]) -> pa.Table:
    """LINK_SCHEMA of the joinable links among these refs, with a blank where the evidence would be."""
    condition, params = among("left_id", ref_ids)
    links = read_table(
        "SELECT left_id, right_id, decision, rule, guard, weight, household, '' AS evidence, is_joinable,"
        f" is_forgiven FROM contacts_link WHERE is_joinable AND {condition}",
        LINK_SCHEMA,
        params,
    )
    return links.filter(pc.is_in(links["right_id"], pa.array(sorted(ref_ids), pa.int64())))

"""What has to change so that the mapping says what the engine found: who keeps which GroupID, who leads."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Self

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

STANDING_SCHEMA = pa.schema(
    [
        ("ref_id", pa.int64()),
        ("contact_id", pa.int64()),
        ("is_primary", pa.bool_()),
        ("is_hand_chosen", pa.bool_()),
    ]
)
# What puts refs in first-found order (PRODUCT.md, "Golden record"); moments as microseconds since 1970.
ORDER_SCHEMA = pa.schema(
    [
        ("ref_id", pa.int64()),
        ("arrived", pa.int64()),
        ("rank", pa.int64()),
        ("created", pa.int64()),
        ("system_ref", pa.string()),
    ]
)
# New Contacts: `number` counts them from 0, in first-found order, and within each its refs stand in it too.
FIRST_SCHEMA = pa.schema([("ref_id", pa.int64()), ("number", pa.int64()), ("is_primary", pa.bool_())])
_ROWS_AT_ONCE = 20_000


@dataclass(frozen=True, slots=True)
class Member:
    """A ref, the group that the engine gave it, and where it stands now; `contact_id` None: unplaced."""

    ref_id: int
    group_id: int
    contact_id: int | None
    is_primary: bool
    is_hand_chosen: bool


@dataclass(frozen=True, slots=True)
class Part:
    """One Contact as it will be. `contact_id` None: a new one. Members stand in first-found order."""

    contact_id: int | None
    members: Sequence[Member]
    primary_ref_id: int


ChangeSet = Sequence[Part]  # Contacts that must change together: no ref goes in or out of their circle


@dataclass(frozen=True)
class Counts:
    """The balance of a run: contacts = contacts before + refs placed - joined + split.

    `joined`: Contacts (or what was split off one) and unplaced refs that came together, less one per group.
    `split`: into how many Contacts the refs of one went, less one each.
    """

    contacts: int
    placed: int
    joined: int
    split: int
    changing_refs: int


def count_changes(change_sets: Iterable[ChangeSet]) -> tuple[int, int]:
    """How many Contacts these join and split, as `Counts` says of a run."""
    joined = split = 0
    for change_set in change_sets:
        came_from = [{member.contact_id or -member.ref_id for member in part.members} for part in change_set]
        went_to = Counter(group_id for groups in came_from for group_id in groups)
        joined += sum(len(groups) - 1 for groups in came_from)
        split += sum(parts - 1 for parts in went_to.values())
    return joined, split


class Plan:
    """The difference between the mapping and a partition; a context, for it holds tables in memory."""

    def __init__(
        self, partition: pa.Table, *, standing: pa.Table, order: pa.Table, memory_limit: str, threads: int
    ) -> None:
        self._con = duckdb.connect(":memory:")
        self._con.execute(f"set memory_limit = '{memory_limit}'; set threads = {threads}")
        self._con.execute("set enable_progress_bar = false")
        self._con.register("partition", partition)
        self._con.register("standing", standing)
        self._con.register("found", order.select(ORDER_SCHEMA.names))
        self._con.execute(_STANDS)
        self._con.execute(_CHANGING)
        self._con.execute(_NEW)
        self.counts = Counts(*self._con.execute(_COUNTS).fetchall()[0])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._con.close()

    def change_sets(self) -> Iterator[ChangeSet]:
        """What changes of Contacts that stand, the earliest found first: new GroupIDs rise in that order."""
        self._con.register("circles", self._circles())
        self._con.execute(_IN_ORDER)
        for _circle, members in groupby(self._rows(), key=lambda row: row[0]):
            yield settle([Member(*row[1:]) for row in members])

    def first_placements(self, refs_at_once: int) -> Iterator[pa.Table]:
        """The groups of which no ref is placed yet: whole Contacts to be made, each time a FIRST_SCHEMA.

        Apart from `change_sets`, because on a first load these are all, and need no look at each.
        """
        found = self._con.sql(_FIRST, params={"at_once": refs_at_once}).to_arrow_table()
        start = 0
        for chunk in pc.value_counts(found["chunk"]).to_pylist():
            table = found.slice(start, chunk["counts"])
            number = pc.subtract(table["number"], table["number"][0])
            yield pa.table([table["ref_id"], number, table["is_primary"]], schema=FIRST_SCHEMA)
            start += chunk["counts"]

    def ask(self, sql: str, params: Mapping[str, object] | None = None, **tables: pa.Table) -> list[tuple]:
        """Rows of a query over `stands` (a row per ref), `changing` (group_id) and `tables`."""
        for name, table in tables.items():
            self._con.register(name, table)
        rows = self._con.execute(sql, params).fetchall()
        for name in tables:
            self._con.unregister(name)
        return rows

    def _rows(self) -> Iterator[tuple]:
        while batch := self._con.fetchmany(_ROWS_AT_ONCE):
            yield from batch

    def _circles(self) -> pa.Table:
        """For each group that shares a Contact with another: the lowest group of its circle."""
        lowest: dict[int, int] = {}
        group_of: dict[int, int] = {}

        def find(group: int) -> int:
            while (above := lowest.get(group, group)) != group:
                lowest[group] = lowest.get(above, above)
                group = above
            return group

        for group_id, contact_id in self._con.execute(_SHARED).fetchall():
            one, other = find(group_of.setdefault(contact_id, group_id)), find(group_id)
            lowest[max(one, other)] = min(one, other)
        groups = list(lowest)
        circles = [find(group) for group in groups]
        return pa.table({"group_id": pa.array(groups, pa.int64()), "circle": pa.array(circles, pa.int64())})


def settle(members: Sequence[Member]) -> ChangeSet:
    """Who keeps which GroupID, and who leads: DECISIONS 4; R-MDB-7, 11, 13; C-8.

    `members`: all refs of some groups and of all Contacts that these touch, in first-found order. An id goes
    with the ref that leads it. Where several ids meet, the lowest survives and its primary leads, unless
    only the primary of another was chosen by hand.
    """
    groups: dict[int, list[Member]] = {}
    leaders: dict[int, Member] = {}
    for member in members:
        groups.setdefault(member.group_id, []).append(member)
        if member.contact_id is not None and (member.is_primary or member.contact_id not in leaders):
            leaders[member.contact_id] = member
    return [_part(group, leaders) for group in groups.values()]


def _part(group: Sequence[Member], leaders: dict[int, Member]) -> Part:
    led = {id(leader) for leader in leaders.values()}
    here = [member for member in group if id(member) in led]
    here.sort(key=lambda member: member.contact_id or 0)
    if not here:
        return Part(None, group, group[0].ref_id)
    by_hand = [member for member in here if member.is_primary and member.is_hand_chosen]
    return Part(here[0].contact_id, group, (by_hand or here)[0].ref_id)


def retired(change_set: ChangeSet) -> set[int]:
    """The GroupIDs that no part keeps."""
    before = {member.contact_id for part in change_set for member in part.members}
    return {contact_id for contact_id in before if contact_id is not None} - {
        part.contact_id for part in change_set
    }


def decided_moves(change_set: ChangeSet, pairs: Collection[tuple[int, int]]) -> set[int]:
    """The refs that move because a person decided about them.

    `pairs`: the standing decisions, either kind. A pair explains a move where it names two refs that were
    together and now are not, or the other way round; then it explains its Contact's whole move.
    """
    where = {
        member.ref_id: (member, index) for index, part in enumerate(change_set) for member in part.members
    }
    explained: set[int | None] = set()
    for left, right in pairs:
        if left in where and right in where:
            (one, to_one), (other, to_other) = where[left], where[right]
            if (one.contact_id == other.contact_id) != (to_one == to_other):
                explained |= {one.contact_id, other.contact_id}
    return {ref_id for ref_id, (member, _index) in where.items() if member.contact_id in explained - {None}}


_STANDS = """
create temp table stands as
select ref_id, group_id, contact_id, coalesce(is_primary, false) as is_primary,
    coalesce(is_hand_chosen, false) as is_hand_chosen
from partition left join standing using (ref_id)
"""
# A group stands as it should when it is all of one Contact, which has its one primary.
_CHANGING = """
create temp table changing as
with contacts as (
    select contact_id, count(*) as refs, count(*) filter (is_primary) as primaries
    from stands where contact_id is not null group by contact_id
),
groups as (
    select group_id, count(*) as refs, count(contact_id) as placed, min(contact_id) as lowest,
        max(contact_id) as highest
    from stands group by group_id
)
select group_id from groups left join contacts on contacts.contact_id = groups.lowest
where groups.placed < groups.refs or lowest <> highest or contacts.refs <> groups.refs or primaries <> 1
"""
# Groups of which no ref is placed: they touch no Contact that stands.
_NEW = "create temp table new as select group_id from stands group by group_id having count(contact_id) = 0"
_COUNTS = """
with groups as (
    select count(*) as refs, count(*) - count(contact_id) as unplaced, count(distinct contact_id) as contacts
    from stands group by group_id
),
contacts as (
    select count(distinct group_id) as parts from stands where contact_id is not null group by contact_id
)
select (select count(*) from groups), (select coalesce(sum(unplaced), 0) from groups),
    (select coalesce(sum(unplaced + contacts - 1), 0) from groups),
    (select coalesce(sum(parts - 1), 0) from contacts),
    (select count(*) from stands where group_id in (select group_id from changing))
"""
_SHARED = """
select distinct group_id, contact_id from stands join changing using (group_id)
where contact_id is not null order by group_id, contact_id
"""
_IN_ORDER = """
with ranked as (
    select coalesce(circle, group_id) as circle, stands.*, row_number() over (
        order by arrived, rank, created nulls last, system_ref, ref_id
    ) as place
    from stands join changing using (group_id) join found using (ref_id) left join circles using (group_id)
    where group_id not in (from new)
)
select circle, ref_id, group_id, contact_id, is_primary, is_hand_chosen
from ranked order by min(place) over (partition by circle), place
"""
_FIRST = """
with ranked as (
    select ref_id, group_id, row_number() over (
        order by arrived, rank, created nulls last, system_ref, ref_id
    ) as place
    from stands join new using (group_id) join found using (ref_id)
),
led as (select ref_id, place, min(place) over (partition by group_id) as first from ranked),
numbered as (
    select ref_id, place, first, dense_rank() over (order by first) as number,
        row_number() over (order by first, place) - 1 as row
    from led
)
select ref_id, number, place = first as is_primary, min(row) over (partition by number) // $at_once as chunk
from numbered order by row
"""

"""From joined pairs to groups that break no guard."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date

import duckdb
import pyarrow as pa

from contacts.grouping.records import Guard

# Distinct records, not refs: one person typed a hundred times alike is no chain of errors.
MOST_MEMBERS = 40
REFUSED = "refused (left_id bigint, right_id bigint, guard varchar)"


def cluster(con: duckdb.DuckDBPyConnection) -> None:
    """Make the table `grouped` (ref_id, group_id) of the refs with joined links, and of the joined links to
    which the guard of a whole group objects the table `refused` (left_id, right_id, guard).

    Reads `links` (left_id, right_id, decision, rule, strength, is_must, is_forgiven), `members` (ref_id,
    rec), `records` (rec, dob) and `never` (a, b). Connected components first; only those that break a guard
    are built again, strongest link first.
    """
    con.execute(f"create or replace temp table {REFUSED}")
    con.execute("""
        create or replace temp table edges as
        select left_id as a, right_id as b from links where decision = 'joined'
    """)
    _connect_components(con)
    _find_broken(con)
    if con.execute("select count(*) from broken").fetchall()[0][0]:
        _rebuild_broken(con)


def _connect_components(con: duckdb.DuckDBPyConnection) -> None:
    """Each round hangs every component under its lowest neighbour, so edges shrink fast; empties `edges`."""
    con.execute("""
        create or replace temp table grouped as
        select a as ref_id, a as group_id from edges union select b, b from edges
    """)
    while con.execute("select count(*) from edges").fetchall()[0][0]:
        con.execute("""
            create or replace temp table parents as
            with both_ways as (select a, b from edges union all select b, a from edges)
            select a as child, least(a, min(b)) as parent from both_ways group by a
        """)
        _climb(con)
        con.execute("""
            create or replace temp table grouped as
            select ref_id, coalesce(parent, group_id) as group_id
            from grouped left join parents on child = group_id
        """)
        con.execute("""
            create or replace temp table edges as
            select distinct least(x.parent, y.parent) as a, greatest(x.parent, y.parent) as b
            from edges join parents x on x.child = a join parents y on y.child = b
            where x.parent <> y.parent
        """)


def _climb(con: duckdb.DuckDBPyConnection) -> None:
    """Replace each parent by its parent's parent until all point at a root."""
    hops = "parents join parents above on above.child = parents.parent"
    while con.execute(f"select count(*) from {hops} where above.parent <> parents.parent").fetchall()[0][0]:
        con.execute(f"create or replace temp table parents as select parents.child, above.parent from {hops}")


def _find_broken(con: duckdb.DuckDBPyConnection) -> None:
    """The table `broken` (group_id): do-not-group inside, too many members, or birth dates of two people."""
    con.execute(f"""
        create or replace temp table broken as
        with member as (
            select group_id, records.rec, records.dob
            from grouped join members using (ref_id) join records using (rec)
        ),
        sized as (select group_id, count(distinct rec) as size, count(distinct dob) as dates
            from member group by 1),
        dates as (
            select distinct group_id, dob from member join sized using (group_id)
            where dates > 1 and size <= {MOST_MEMBERS} and dob is not null
        )
        select group_id from sized where size > {MOST_MEMBERS}
        union
        select x.group_id from never join grouped x on x.ref_id = a join grouped y on y.ref_id = b
        where x.group_id = y.group_id
        union
        select l.group_id from dates l join dates r on l.group_id = r.group_id and l.dob < r.dob
        where not {dates_agree_sql("l.dob", "r.dob")}
    """)


def dates_agree_sql(left: str, right: str) -> str:
    """SQL: two dates of birth may be one person's: equal, swapped, typos, or only the year known."""
    return f"""(
        abs({left} - {right}) <= 10
        or damerau_levenshtein({left}::varchar, {right}::varchar) <= 1
        or {two_parts_agree_sql(left, right)}
        or (year({left}) = year({right}) and (
            (month({left}) = day({right}) and day({left}) = month({right}))
            or strftime({left}, '%m%d') = '0101' or strftime({right}, '%m%d') = '0101'))
    )"""


def two_parts_agree_sql(left: str, right: str) -> str:
    """SQL: of year, month and day, two are the same."""
    parts = (f"({part}({left}) = {part}({right}))::tinyint" for part in ("year", "month", "day"))
    return f"{' + '.join(parts)} >= 2"


@dataclass
class _Cluster:
    """A group while it grows."""

    refs: list[int]
    records: set[int]
    dates: set[date]
    never: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class _Broken:
    """What is needed to build the broken components again."""

    clusters: dict[int, _Cluster]
    agreeing: set[tuple[date, date]]


def _rebuild_broken(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("""
        create or replace temp table broken_refs as
        select ref_id, rec, dob from grouped join broken using (group_id) join members using (ref_id)
        join records using (rec)
    """)
    material = _Broken(_single_clusters(con), _agreeing_dates(con))
    edges = con.execute("""
        select left_id, right_id, is_must, is_forgiven from links join broken_refs on ref_id = left_id
        where decision = 'joined' order by is_must desc, strength desc, left_id, right_id
    """).fetchall()
    refused = _grow(material, edges)
    _write_back(con, material, refused)


def _single_clusters(con: duckdb.DuckDBPyConnection) -> dict[int, _Cluster]:
    clusters = {
        ref: _Cluster([ref], {rec}, {dob} if dob else set())
        for ref, rec, dob in con.execute(
            "select ref_id, rec, dob from broken_refs order by ref_id"
        ).fetchall()
    }
    for a, b in con.execute("select a, b from never").fetchall():
        if a in clusters and b in clusters:
            clusters[a].never.add(b)
            clusters[b].never.add(a)
    return clusters


def _agreeing_dates(con: duckdb.DuckDBPyConnection) -> set[tuple[date, date]]:
    """Pairs of dates that may meet on a link of a broken component, in both orders."""
    rows = con.execute(f"""
        with dates as (
            select distinct group_id, dob from broken_refs join grouped using (ref_id) where dob is not null
        )
        select distinct l.dob, r.dob from dates l join dates r using (group_id)
        where {dates_agree_sql("l.dob", "r.dob")}
    """).fetchall()
    return set(rows)


def _grow(material: _Broken, edges: Iterable[tuple[int, int, bool, bool]]) -> list[tuple[int, int, str]]:
    """Join along the edges, strongest first; the refused ones with the guard that objected.

    An edge whose ends meet later through others is not refused after all.
    """
    refused = []
    for a, b, is_must, is_forgiven in edges:
        left, right = material.clusters[a], material.clusters[b]
        if left is right:
            continue
        if is_must:
            guard = _persons_objection(left, right)
        else:
            guard = _objection(left, right, None if is_forgiven else material.agreeing)
        if guard is None:
            _join(material.clusters, left, right)
        else:
            refused.append((a, b, guard))
    return [(a, b, guard) for a, b, guard in refused if material.clusters[a] is not material.clusters[b]]


def _persons_objection(left: _Cluster, right: _Cluster) -> Guard | None:
    """A person's decision overrides birth dates and size, but not another person's do-not-group."""
    return None if left.never.isdisjoint(right.refs) else Guard.NEVER


def _objection(left: _Cluster, right: _Cluster, agreeing: set[tuple[date, date]] | None) -> Guard | None:
    """`agreeing` is None on a link whose own dates are forgiven: then no date objects."""
    if guard := _persons_objection(left, right):
        return guard
    if agreeing is not None and not _dates_agree(left.dates, right.dates, agreeing):
        return Guard.BIRTH_DATE
    if len(left.records | right.records) > MOST_MEMBERS:
        return Guard.SIZE
    return None


def _dates_agree(left: set[date], right: set[date], agreeing: set[tuple[date, date]]) -> bool:
    """Every date must agree with every other, unless dates that do not are already joined.

    A person joined those, or they were forgiven."""
    if not left or not right:
        return True
    pairs = [(x, y) in agreeing for x in left for y in right]
    is_mixed = any((x, y) not in agreeing for side in (left, right) for x in side for y in side)
    return any(pairs) if is_mixed else all(pairs)


def _join(clusters: dict[int, _Cluster], left: _Cluster, right: _Cluster) -> None:
    if len(left.refs) < len(right.refs):
        left, right = right, left
    left.refs.extend(right.refs)
    left.records |= right.records
    left.dates |= right.dates
    left.never |= right.never
    for ref in right.refs:
        clusters[ref] = left


def _write_back(
    con: duckdb.DuckDBPyConnection, material: _Broken, refused: list[tuple[int, int, str]]
) -> None:
    lowest = {id(group): min(group.refs) for group in material.clusters.values()}
    regrouped = [(ref, lowest[id(group)]) for ref, group in material.clusters.items()]
    con.register("regrouped", _table(["ref_id", "group_id"], regrouped))
    con.execute("""
        create or replace temp table grouped as
        select ref_id, coalesce(regrouped.group_id, grouped.group_id) as group_id
        from grouped left join regrouped using (ref_id)
    """)
    con.unregister("regrouped")
    if refused:
        con.register("objections", _table(["left_id", "right_id", "guard"], refused))
        con.execute("insert into refused from objections")
        con.unregister("objections")


def _table(names: list[str], rows: Sequence[tuple[int | str, ...]]) -> pa.Table:
    return pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))

"""A full grouping run: refs in, groups, links and poisoned keys out."""

from collections.abc import Collection, Sequence

import duckdb
import pyarrow as pa

from contacts.grouping.candidates import (
    KEY_KINDS,
    STRONG,
    blank_bad_values,
    content_hash,
    make_pairs,
)
from contacts.grouping.cluster import REFUSED, cluster
from contacts.grouping.connection import connect
from contacts.grouping.decide import make_links
from contacts.grouping.keys import KEYS_SCHEMA, changed_keys
from contacts.grouping.model import Model
from contacts.grouping.normalise import normalise
from contacts.grouping.records import (
    LINK_SCHEMA,
    PARTITION_SCHEMA,
    POISONED_SCHEMA,
    Decisions,
    Grouping,
    UnusableRefs,
    check_refs,
)
from contacts.grouping.rules import (
    DEFAULT_RULES,
    MUST,
    Holds,
    Outcome,
    Rule,
    key_kinds,
    outcomes,
    typed_columns,
)
from contacts.grouping.score import score_pairs, shares_sql

NO_DECISIONS = Decisions()


def group(
    refs: pa.Table,
    *,
    model: Model,
    decisions: Decisions = NO_DECISIONS,
    excluded_systems: Collection[int] = (),
    rules: Sequence[Rule] = DEFAULT_RULES,
    default_country: str = "GB",
    known: pa.Table | None = None,
    memory_limit: str = "2GB",
    threads: int = 2,
) -> Grouping:
    """Group all refs. The result depends on the rows, not on their order, nor on how systems share them.

    A ref of one of `excluded_systems` joins refs of its own system only. Time grows about linearly with the
    refs; DuckDB stays within `memory_limit` and spills to disk beyond it. `known` (keys.KNOWN_SCHEMA) are
    the prints of refs as they were kept: given, the keys of all others are part of the result.

    Raises UnusableRefs, OutgrownKeys where the model fits no longer, TooManyKeyKinds where keys are wanted.
    """
    table = check_refs(refs)
    if not table.num_rows:
        nothing = (PARTITION_SCHEMA, LINK_SCHEMA, POISONED_SCHEMA, *([] if known is None else [KEYS_SCHEMA]))
        return Grouping(*(schema.empty_table() for schema in nothing))
    with connect(memory_limit=memory_limit, threads=threads, hash_key=model.hash_key) as con:
        columns = normalise(con, table, default_country=default_country, typed=typed_columns(rules))
        refuse_repeats(con)
        kinds = [*KEY_KINDS, *key_kinds(rules)]
        # Those that the model knows, and of kinds that it does not know those that these refs share.
        unknown = [kind for kind in kinds if kind.name not in model.key_kinds]
        bad_keys = blank_bad_values(con, model.bad_keys, kinds=unknown)
        keys = None
        if known is not None:
            keys = changed_keys(con, columns, kinds=kinds, bad_keys=bad_keys, known=known)
        load_decisions(con, decisions)
        make_records(con, columns, excluded_systems, model)
        make_pairs(con, kinds=kinds, bad_keys=bad_keys)
        add_pairs(con)
        ways = [MUST_WAY, *outcomes(rules)]
        score_pairs(con, model=model, ways=ways)
        make_links(con, model=model, ways=ways)
        cluster(con)
        return _result(con, keys=keys)


_DECIDED = "coalesce(list_has_any(must_l, must_r), false)"
MUST_WAY = Outcome(MUST, Holds.YES, _DECIDED, least=_DECIDED)


def refuse_repeats(con: duckdb.DuckDBPyConnection) -> None:
    """Raise UnusableRefs where two refs have one id."""
    rows, distinct = con.execute("select count(*), count(distinct ref_id) from plain").fetchall()[0]
    if rows != distinct:
        raise UnusableRefs("Two refs have the same ref_id.")


def load_decisions(con: duckdb.DuckDBPyConnection, decisions: Decisions) -> None:
    """The tables `must` and `never` (a < b) over refs that exist, and `decided_refs`, which are in any.

    A ref stays decided about where the other end is not among these refs: a part of the refs has the records
    that they all have.
    """
    named = sorted({ref_id for pair in (*decisions.must, *decisions.never) for ref_id in pair})
    con.register("named_refs", pa.table({"ref_id": pa.array(named, pa.int64())}))
    con.execute("create or replace temp table decided_refs as from named_refs")
    con.unregister("named_refs")
    for name, pairs in (("must", decisions.must), ("never", decisions.never)):
        lower = pa.array([min(pair) for pair in pairs], pa.int64())
        upper = pa.array([max(pair) for pair in pairs], pa.int64())
        con.register("decided_pairs", pa.table({"a": lower, "b": upper}))
        con.execute(f"""
            create or replace temp table {name} as select distinct a, b from decided_pairs
            where a < b and a in (select ref_id from plain) and b in (select ref_id from plain)
        """)
        con.unregister("decided_pairs")


def make_records(
    con: duckdb.DuckDBPyConnection,
    columns: Sequence[str],
    excluded_systems: Collection[int],
    model: Model,
) -> None:
    """The tables `members` (ref_id, rec) and `records`, one per distinct content; rec is its lowest ref_id.

    Refs that a person decided about, and refs of different realms (an excluded system is a realm of its own),
    stay records of their own. `is_first` marks one record per content, `copies` counts refs. With the shares
    of their values they are the view `source`, which is scored.
    """
    excluded = ", ".join(str(int(system)) for system in sorted(excluded_systems)) or "null"
    realm = f"if(system_id in ({excluded}), system_id, null)"
    con.execute(f"""
        create or replace temp table alike as
        with keyed as (
            select ref_id, {content_hash(columns)} as h1, {content_hash(columns, 1)} as h2,
                {realm} as realm, if(ref_id in (from decided_refs), ref_id, null) as decided
            from plain
        ),
        repeated as (select h1, h2 from keyed group by h1, h2 having count(*) > 1)
        select ref_id, min(ref_id) over same as rec, count(*) over same as copies,
            min(ref_id) over (partition by h1, h2) as first
        from keyed semi join repeated using (h1, h2)
        window same as (partition by h1, h2, realm, decided)
    """)
    con.execute("""
        create or replace temp table members as
        select ref_id, coalesce(rec, ref_id) as rec from plain left join alike using (ref_id)
    """)
    shares, joins = shares_sql(con, model)
    con.execute(f"""
        create or replace temp table records as
        with musts as (
            select ref_id, list(pair) as must from (
                select a as ref_id, hash(a, b) as pair from must union all select b, hash(a, b) from must
            ) group by ref_id
        )
        select plain.*, plain.ref_id as rec, {realm} as realm, coalesce(copies, 1) as copies,
            coalesce(first, plain.ref_id) as first, coalesce(first, plain.ref_id) = plain.ref_id as is_first,
            must{shares}
        from plain left join alike using (ref_id) left join musts using (ref_id) {joins}
        where coalesce(rec, plain.ref_id) = plain.ref_id
    """)
    con.execute("create or replace temp view source as from records; drop table plain; drop table alike")


def add_pairs(con: duckdb.DuckDBPyConnection) -> None:
    """Pairs that no key finds: a person's, like records kept apart, and a record with itself."""
    con.execute(f"""
        insert into pairs
        select a, b, '{STRONG}' from (
            select a, b from must union select first, rec from records where not is_first
            union select rec, rec from records where copies > 1
        ) where not exists (select 1 from pairs where join_key_l = a and join_key_r = b)
    """)


def partition_of(con: duckdb.DuckDBPyConnection) -> pa.Table:
    """PARTITION_SCHEMA from `members` and `grouped`."""
    partition = con.sql("""
        select ref_id, coalesce(group_id, ref_id) as group_id
        from members left join grouped using (ref_id) order by ref_id
    """).to_arrow_table()
    return partition.cast(PARTITION_SCHEMA)


def links_of(con: duckdb.DuckDBPyConnection) -> pa.Table:
    """LINK_SCHEMA from `links`, less those that `refused` names where groups have been built."""
    con.execute(f"create temp table if not exists {REFUSED}")
    settled = {
        "decision": "if(refused.guard is null, links.decision, 'refused')",
        "guard": "coalesce(refused.guard, links.guard)",
    }
    columns = ", ".join(f"{settled.get(name, f'links.{name}')} as {name}" for name in LINK_SCHEMA.names)
    links = con.sql(f"""
        select {columns} from links left join refused using (left_id, right_id) order by left_id, right_id
    """).to_arrow_table()
    return links.cast(LINK_SCHEMA)


def _result(con: duckdb.DuckDBPyConnection, *, keys: pa.Table | None) -> Grouping:
    poisoned = con.sql("select kind, holders from poisoned order by kind, holders desc").to_arrow_table()
    return Grouping(partition_of(con), links_of(con), poisoned.cast(POISONED_SCHEMA), keys)

"""A delta run: what changed is compared with all that shares a key with it, and its groups are built again.

In three steps, between which the caller looks up who shares a key and who hangs together (ADR 0009). With
the same frozen model they give the partition of a full run: the decision on a pair depends on its two
records and, where names agree only faintly, on those who share the rule's value; a group depends on the
joinable links among its members.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from contacts.grouping.candidates import KEY_KINDS, KeyKind, blank_poisoned, make_pairs
from contacts.grouping.cluster import cluster
from contacts.grouping.connection import connect
from contacts.grouping.decide import make_links
from contacts.grouping.engine import (
    MUST_WAY,
    add_pairs,
    links_of,
    load_decisions,
    make_records,
    partition_of,
    refuse_repeats,
)
from contacts.grouping.keys import changed_keys, slots
from contacts.grouping.model import Model
from contacts.grouping.normalise import normalise
from contacts.grouping.records import LINK_SCHEMA, PARTITION_SCHEMA, Decisions, check_refs
from contacts.grouping.rules import (
    FIELDS,
    MUST,
    Rule,
    demands_equality,
    key_kinds,
    outcomes,
    typed_columns,
)
from contacts.grouping.score import score_pairs

# The kinds of key that a rule's context can go by (Terms.context_slots), and where these are kept.
CONTEXT_KINDS = {("em",): "email", ("mob",): "mobile"}
WIDEST_CONTEXT = (*(slots(KEY_KINDS)[kind] for kind in CONTEXT_KINDS.values()), "content")

# Raised with every change of the engine that can decide a pair otherwise: the next run is then a full one.
CODE = 3


@dataclass(frozen=True)
class Terms:
    """What runs go by: as long as these stay the same, their links go together."""

    model: Model
    rules: Sequence[Rule]
    decisions: Decisions
    excluded_systems: Collection[int]
    default_country: str
    memory_limit: str
    threads: int

    @property
    def kinds(self) -> list[KeyKind]:
        """The kinds of candidate key, in the order of their slots."""
        return [*KEY_KINDS, *key_kinds(self.rules)]

    @property
    def knows_its_keys(self) -> bool:
        """Whether the model has the bad keys of all kinds; else only a full run can learn them."""
        return {kind.name for kind in self.kinds} <= set(self.model.key_kinds)

    @property
    def context_slots(self) -> list[str]:
        """Slots in which refs that can change the decision on a pair, though they are not of it, share a key.

        A blank name or an initial counts only while it fits one person among those with the rule's values
        (Rule.names_must_agree), and all of these share the e-mail or the mobile that the rule demands, of
        which a bad one is blank. Refs that are alike in everything stand for one another too.
        """
        slot_of = slots(self.kinds)
        kinds = {_context_kind(rule) for rule in self.rules if _asks_for_names(rule)}
        return [*sorted(slot_of[kind] for kind in kinds if kind), "content"]

    @property
    def is_local(self) -> bool:
        """Whether pairs depend on few others: names alone, without e-mail or mobile, lead to any number."""
        return all(_context_kind(rule) for rule in self.rules if _asks_for_names(rule))


def _asks_for_names(rule: Rule) -> bool:
    return rule.is_active and rule.names_must_agree


def _context_kind(rule: Rule) -> str:
    """The kind of key that all who share the rule's values share; blank if there is none."""
    equal = [FIELDS[criterion.field] for criterion in rule.criteria if demands_equality(criterion)]
    return next((kind for columns, kind in CONTEXT_KINDS.items() if columns in equal), "")


def keys_of(refs: pa.Table, *, known: pa.Table, terms: Terms) -> pa.Table:
    """KEYS_SCHEMA of those of these refs that are not as `known` (KNOWN_SCHEMA)."""
    with normalised(refs, terms) as (con, columns):
        return changed_keys(con, columns, kinds=terms.kinds, bad_keys=terms.model.bad_keys, known=known)


def compare(refs: pa.Table, *, changed: Iterable[int], context: Iterable[int], terms: Terms) -> pa.Table:
    """The links (LINK_SCHEMA) with an end in `changed`, or both in `context`: ids of some of these refs.

    `refs` must hold all that share a key with a changed one, and the other end of each decision about one;
    `changed` all that are like one of them; `context` the changed, and all that are like one of it or share a
    key of the context slots with one. Guards on whole groups have not been asked. Raises OutgrownKeys.
    """
    with normalised(refs, terms) as (con, columns):
        load_decisions(con, terms.decisions)
        make_records(con, columns, terms.excluded_systems, terms.model)
        for name, ref_ids in (("changed_ids", changed), ("context_ids", context)):
            con.register(name, pa.table({"ref_id": pa.array(sorted(ref_ids), pa.int64())}))
        con.execute("""
            create temp table fresh as
            select rec, bool_or(ref_id in (from changed_ids)) as is_changed
            from members semi join context_ids using (ref_id) group by rec
        """)
        make_pairs(con, kinds=terms.kinds, bad_keys=terms.model.bad_keys, only_fresh=True)
        add_pairs(con)
        # A record with itself stays: whether its copies join it decides on what they hang (make_links).
        con.execute("""
            delete from pairs where join_key_l <> join_key_r and not (
                join_key_l in (select rec from fresh where is_changed)
                or join_key_r in (select rec from fresh where is_changed)
                or (join_key_l in (select rec from fresh) and join_key_r in (select rec from fresh)))
        """)
        ways = [MUST_WAY, *outcomes(terms.rules)]
        score_pairs(con, model=terms.model, ways=ways)
        make_links(con, model=terms.model, ways=ways)
        con.execute("""
            delete from links where not (
                left_id in (from changed_ids) or right_id in (from changed_ids)
                or (left_id in (from context_ids) and right_id in (from context_ids)))
        """)
        return links_of(con)


def recluster(refs: pa.Table, links: pa.Table, *, terms: Terms) -> tuple[pa.Table, pa.Table]:
    """The groups of these refs (PARTITION_SCHEMA), and their joinable `links` as decided now.

    `refs` must be closed: no joinable link leads out of them.
    """
    if not refs.num_rows:
        return PARTITION_SCHEMA.empty_table(), LINK_SCHEMA.empty_table()
    with normalised(refs, terms) as (con, columns):
        load_decisions(con, terms.decisions)
        make_records(con, columns, terms.excluded_systems, terms.model)
        con.register("joinable", links)
        con.execute(f"""
            create temp table links as
            select * replace ('joined' as decision, '' as guard), weight + household as strength,
                rule = '{MUST}' as is_must
            from joinable
        """)
        cluster(con)
        return partition_of(con), links_of(con)


@contextmanager
def normalised(refs: pa.Table, terms: Terms) -> Iterator[tuple[duckdb.DuckDBPyConnection, list[str]]]:
    """A connection with the table `plain` of these refs, poisoned values blanked, and its columns."""
    with connect(
        memory_limit=terms.memory_limit, threads=terms.threads, hash_key=terms.model.hash_key
    ) as con:
        columns = normalise(
            con,
            check_refs(refs),
            default_country=terms.default_country,
            typed=typed_columns(terms.rules),
        )
        refuse_repeats(con)
        blank_poisoned(con, terms.model.bad_keys)
        yield con, columns


def otherwise_joinable(links: pa.Table, standing: pa.Table) -> pa.Table:
    """The pairs (left_id, right_id) that hang together by one of two tables of links, not alike by both."""
    alike = "left_id, right_id, coalesce(rule, ''), weight, household, is_forgiven"
    with duckdb.connect(":memory:") as con:
        con.register("links", links)
        con.register("standing", standing)
        sides = [f"(select {alike} from {name} where is_joinable)" for name in ("links", "standing")]
        return con.sql(f"""
            select left_id, right_id from ({sides[0]} except {sides[1]})
            union select left_id, right_id from ({sides[1]} except {sides[0]})
        """).to_arrow_table()


def redecide(links: pa.Table, settled: pa.Table, *, standing: pa.Table | None = None) -> pa.Table:
    """`links` with the decisions that `recluster` came to; of pairs that it did not have, which hang together
    as they did, with those of the `standing` links. All others stay as they are."""
    decided = ["left_id", "right_id", "decision", "guard"]
    with duckdb.connect(":memory:") as con:
        con.register("links", links)
        con.register("settled", settled.select(decided))
        con.register(
            "standing", (settled if standing is None else standing).select([*decided, "is_joinable"])
        )
        return (
            con.sql("""
                select links.* replace (
                    coalesce(settled.decision, before.decision, links.decision) as decision,
                    case when settled.decision is not null then settled.guard
                        when before.decision is not null then before.guard else links.guard end as guard
                )
                from links left join settled using (left_id, right_id)
                left join standing before on links.is_joinable and before.is_joinable
                    and before.left_id = links.left_id and before.right_id = links.right_id
                order by links.left_id, links.right_id
            """)
            .to_arrow_table()
            .cast(LINK_SCHEMA)
        )

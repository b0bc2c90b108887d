"""Compares a handful of refs as they are and as they might be: what a run over them would come to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import duckdb
import pyarrow as pa

from contacts.grouping.candidates import STRONG, make_pairs
from contacts.grouping.cluster import cluster
from contacts.grouping.decide import make_links
from contacts.grouping.delta import Terms, normalised
from contacts.grouping.engine import MUST_WAY, links_of, load_decisions, make_records, partition_of
from contacts.grouping.model import Model
from contacts.grouping.records import Decisions
from contacts.grouping.rules import FIELDS, NAMES_AGREE, NAMES_CLASH, Rule, criterion_sql, outcomes
from contacts.grouping.score import score_pairs

Pair = tuple[int, int]  # ref ids, the lower first

# Below any weight there is: every pair asked for comes back with its evidence, however little it shares.
_NO_THRESHOLD = -100.0
_NO_SYSTEM = 0


@dataclass(frozen=True)
class World:
    """Refs (REF_SCHEMA) as they are, or as they might be, with the decisions about them.

    With `is_open` no system is kept out of matching across systems.
    """

    refs: pa.Table
    decisions: Decisions
    is_open: bool = False


@dataclass(frozen=True)
class Weighed:
    """What the engine says of a pair in a world; `is_found`: some key brings the two together at all."""

    decision: str
    rule: str
    guard: str
    weight: float
    household: float
    evidence: str
    is_found: bool


@dataclass(frozen=True)
class Verdict:
    """A world as a run would leave it: the group of each ref, and the pairs that were asked for.

    A pair is missing where a closed system or a do-not-group rule keeps it from being judged at all.
    """

    groups: Mapping[int, int]
    pairs: Mapping[Pair, Weighed]

    def are_together(self, one: int, other: int) -> bool:
        return self.groups[one] == self.groups[other]

    def fellows(self, ref_id: int) -> frozenset[int]:
        """The refs of its group."""
        return frozenset(ref for ref, group in self.groups.items() if group == self.groups[ref_id])


@dataclass(frozen=True)
class RuleHeld:
    """Which of a rule's criteria a pair meets, in their order; blank names and initials neither agree nor
    clash."""

    criteria: Sequence[bool]
    names_agree: bool
    names_clash: bool

    @property
    def is_met(self) -> bool:
        return all(self.criteria)


@dataclass(frozen=True)
class Judged:
    """The verdict on each world, and of the asked pairs of the first one how each active rule stands.

    `uncounted`: for each ref the fields that count as blank, whatever is written in them.
    """

    verdicts: Sequence[Verdict]
    rules: Mapping[Pair, Mapping[str, RuleHeld]]
    uncounted: Mapping[int, frozenset[str]]


def judge(worlds: Sequence[World], *, asked: Sequence[Pair], terms: Terms) -> Judged:
    """What a run by these terms would make of each world, were there nobody else.

    All worlds are over the same ref ids; the terms' own decisions are not looked at. One pass of the engine
    over all of them: a ref of one world is never held against one of another.
    """
    ids = sorted(worlds[0].refs["ref_id"].to_pylist())
    places = {ref_id: place for place, ref_id in enumerate(ids)}
    size = len(ids)
    open_terms = replace(terms, model=_without_thresholds(terms))
    with normalised(_stacked(worlds, places), open_terms) as (con, columns):
        load_decisions(con, _stacked_decisions(worlds, places))
        # Each ref is a record of its own, for two that are alike may stand on the two sides.
        con.execute("create or replace temp table decided_refs as select ref_id from plain")
        make_records(con, columns, terms.excluded_systems, open_terms.model)
        numbers = [(places[a], places[b]) for a, b in asked]
        rules = _rules_held(con, numbers, terms.rules)
        uncounted = _uncounted(con, ids)
        make_pairs(con, kinds=terms.kinds, bad_keys=terms.model.bad_keys)
        _ask(con, numbers, worlds=len(worlds), size=size)
        ways = [MUST_WAY, *outcomes(terms.rules)]
        score_pairs(con, model=open_terms.model, ways=ways)
        make_links(con, model=open_terms.model, ways=ways)
        con.execute("create temp table judged as from links")
        # What no key finds the engine never sees: it joins nothing.
        con.execute("delete from links where (left_id, right_id) not in (select (l, r) from found)")
        cluster(con)
        verdicts = _verdicts(con, ids, worlds=len(worlds), asked=numbers)
    return Judged(verdicts, {pair: held for pair, held in zip(asked, rules, strict=True)}, uncounted)


def _without_thresholds(terms: Terms) -> Model:
    return replace(terms.model, review_weight=_NO_THRESHOLD, review_household=_NO_THRESHOLD)


def _stacked(worlds: Sequence[World], places: Mapping[int, int]) -> pa.Table:
    """All refs of all worlds, numbered so that number // refs is the world, in the order of their ids."""
    tables = []
    for number, world in enumerate(worlds):
        refs = world.refs
        ids = [number * len(places) + places[ref_id] for ref_id in refs["ref_id"].to_pylist()]
        refs = refs.set_column(refs.schema.get_field_index("ref_id"), "ref_id", pa.array(ids, pa.int64()))
        if world.is_open:
            nowhere = pa.array([_NO_SYSTEM] * refs.num_rows, pa.int64())
            refs = refs.set_column(refs.schema.get_field_index("system_id"), "system_id", nowhere)
        tables.append(refs)
    return pa.concat_tables(tables)


def _stacked_decisions(worlds: Sequence[World], places: Mapping[int, int]) -> Decisions:
    kinds: dict[str, list[Pair]] = {"must": [], "never": []}
    for number, world in enumerate(worlds):
        start = number * len(places)
        for kind, pairs in kinds.items():
            for a, b in getattr(world.decisions, kind):
                if a in places and b in places:
                    pairs.append((start + places[a], start + places[b]))
    return Decisions(must=kinds["must"], never=kinds["never"])


def _ask(con: duckdb.DuckDBPyConnection, asked: Sequence[Pair], *, worlds: int, size: int) -> None:
    """Make `pairs` those that keys or decisions find within one world, which `found` (l, r) lists, and the
    asked ones."""
    con.execute(f"delete from pairs where join_key_l // {size} <> join_key_r // {size}")
    con.execute(f"""
        insert into pairs select a, b, '{STRONG}' from (
            select a, b from must
            union select x.rec, y.rec from records x join records y on x.first = y.first
            where x.rec < y.rec and x.rec // {size} = y.rec // {size}
        ) where not exists (select 1 from pairs where join_key_l = a and join_key_r = b)
    """)
    con.execute("create temp table found as select join_key_l as l, join_key_r as r from pairs")
    rows = [(start * size + a, start * size + b) for start in range(worlds) for a, b in asked]
    left, right = ([row[side] for row in rows] for side in (0, 1))
    con.register("asked", pa.table({"l": pa.array(left, pa.int64()), "r": pa.array(right, pa.int64())}))
    con.execute(f"""
        update pairs set match_key = '{STRONG}';
        insert into pairs select l, r, '{STRONG}' from asked where (l, r) not in (select (l, r) from found)
    """)


def _rules_held(
    con: duckdb.DuckDBPyConnection, asked: Sequence[Pair], rules: Sequence[Rule]
) -> list[dict[str, RuleHeld]]:
    """Of each asked pair of the first world, for each active rule, which criteria it meets."""
    active = [rule for rule in rules if rule.is_active]
    if not asked:
        return []
    columns = [row[0] for row in con.execute("describe records").fetchall()]
    both = ", ".join(f"x.{column} as {column}_l, y.{column} as {column}_r" for column in columns)
    wanted = [criterion_sql(criterion) for rule in active for criterion in rule.criteria]
    conditions = ", ".join(f"coalesce({sql}, false)" for sql in [NAMES_AGREE, NAMES_CLASH, *wanted])
    left, right = ([pair[side] for pair in asked] for side in (0, 1))
    table = {"n": pa.array(range(len(asked)), pa.int64()), "l": left, "r": right}
    con.register("held_pairs", pa.table(table))
    rows = con.execute(f"""
        select {conditions} from (
            select n, {both} from held_pairs join records x on x.rec = l join records y on y.rec = r
        ) order by n
    """).fetchall()
    con.unregister("held_pairs")
    return [_held(active, row) for row in rows]


def _held(rules: Sequence[Rule], row: Sequence[bool]) -> dict[str, RuleHeld]:
    agree, clash, *met = row
    held, start = {}, 0
    for rule in rules:
        held[rule.name] = RuleHeld(met[start : start + len(rule.criteria)], agree, clash)
        start += len(rule.criteria)
    return held


def _uncounted(con: duckdb.DuckDBPyConnection, ids: Sequence[int]) -> dict[int, frozenset[str]]:
    names = list(FIELDS)
    columns = (", ".join(f"{column}::varchar" for column in FIELDS[name]) for name in names)
    blank = ", ".join(f"coalesce({listed}) is null" for listed in columns)
    rows = con.execute(f"select rec, {blank} from records where rec < {len(ids)}").fetchall()
    return {
        ids[rec]: frozenset(name for name, is_blank in zip(names, blanks, strict=True) if is_blank)
        for rec, *blanks in rows
    }


def _verdicts(
    con: duckdb.DuckDBPyConnection, ids: Sequence[int], *, worlds: int, asked: Sequence[Pair]
) -> list[Verdict]:
    size = len(ids)
    groups: list[dict[int, int]] = [{} for _ in range(worlds)]
    for ref, group in zip(*(column.to_pylist() for column in partition_of(con).columns), strict=True):
        groups[ref // size][ids[ref % size]] = group
    refused = {(link["left_id"], link["right_id"]): link for link in links_of(con).to_pylist()}
    wanted = set(asked)
    pairs: list[dict[Pair, Weighed]] = [{} for _ in range(worlds)]
    rows = con.execute("""
        select left_id, right_id, decision, rule, guard, weight, household, evidence,
            (left_id, right_id) in (select (l, r) from found)
        from judged
    """).fetchall()
    for left, right, *weighed in rows:
        if (left % size, right % size) not in wanted:
            continue
        if settled := refused.get((left, right)):
            weighed[0], weighed[2] = settled["decision"], settled["guard"]
        pairs[left // size][ids[left % size], ids[right % size]] = Weighed(*weighed)
    return [Verdict(group, found) for group, found in zip(groups, pairs, strict=True)]

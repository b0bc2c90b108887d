"""Writes the engine's links as the difference against those that stand."""

from collections.abc import Callable, Collection, Iterator

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from django.conf import settings
from django.db import connection, transaction

from contacts.bulk import insert_table, update_rows
from contacts.columnar import among, read_table
from contacts.models import Link, ModelVersion

LINKS_AT_ONCE = 5_000
NEW_LINKS_AT_ONCE = 50_000  # nobody else knows of them yet, so that nobody waits; on SQLite everybody would
_VALUES = (
    "decision",
    "rule",
    "guard",
    "weight",
    "household",
    "evidence",
    "is_joinable",
    "is_forgiven",
    "model_version",
)
_REF_SCHEMA = pa.schema([("id", pa.int64())])
# Links as they stand, with a digest of the evidence.
STANDING_LINKS = pa.schema(
    [
        ("pk", pa.int64()),
        ("left_id", pa.int64()),
        ("right_id", pa.int64()),
        ("decision", pa.string()),
        ("rule", pa.string()),
        ("guard", pa.string()),
        ("weight", pa.float64()),
        ("household", pa.float64()),
        ("evidence", pa.string()),
        ("is_joinable", pa.bool_()),
        ("is_forgiven", pa.bool_()),
        ("model_version", pa.int64()),
    ]
)
# The evidence is compared by its digest: at a million refs the texts would fill the memory twice.
_STANDING = """
SELECT id, left_id, right_id, decision, rule, guard, weight, household, md5(evidence), is_joinable,
    is_forgiven, model_version_id
FROM contacts_link
"""
_NEW = """
select links.left_id as left, links.right_id as right, links.decision, links.rule, links.guard, links.weight,
    links.household, links.evidence, links.is_joinable, links.is_forgiven, $version as model_version
from links anti join standing using (left_id, right_id) order by links.left_id, links.right_id
"""
_CHANGED = """
select pk, links.left_id, links.right_id, links.decision, links.rule, links.guard, links.weight,
    links.household, links.evidence, links.is_joinable, links.is_forgiven, $version
from links join standing using (left_id, right_id)
where links.decision <> standing.decision or links.rule <> standing.rule
    or links.guard <> standing.guard or links.weight <> standing.weight
    or links.household <> standing.household or md5(links.evidence) <> standing.evidence
    or links.is_joinable <> standing.is_joinable or links.is_forgiven <> standing.is_forgiven
    or standing.model_version <> $version
order by links.left_id, links.right_id
"""
_GONE = "select pk from standing anti join links using (left_id, right_id) order by pk"


def write_links(
    links: pa.Table,
    *,
    version: ModelVersion,
    progress: Callable[[int], None],
    standing: pa.Table | None = None,
) -> int:
    """Make the stored links those of this run; returns how many rows were written or removed.

    `standing`: those that `links` are to take the place of (standing_links); all where they are not given.

    In transactions of a few thousand rows, so it may be cut off anywhere: the next run finds the rest.
    `progress` is told how many more rows are done. Links of refs that have gone since are left out.
    """
    written = 0
    with duckdb.connect(":memory:") as con:
        con.execute(f"set memory_limit = '{settings.GROUPING_MEMORY}'; set enable_progress_bar = false")
        con.register("links", _without_nulls(links))
        con.register("standing", read_table(_STANDING, STANDING_LINKS) if standing is None else standing)
        for batch in _batches(con, _GONE, {}):
            written += _delete([row[0] for row in batch])
            progress(len(batch))
        for batch in _batches(con, _CHANGED, {"version": version.pk}):
            written += _rewrite(batch)
            progress(len(batch))
        at_once = NEW_LINKS_AT_ONCE if connection.vendor == "postgresql" else LINKS_AT_ONCE
        for new in con.sql(_NEW, params={"version": version.pk}).to_arrow_reader(at_once):
            written += _insert(pa.Table.from_batches([new]))
            progress(new.num_rows)
    return written


def redecide_links(redecided: pa.Table) -> None:
    """Give standing links the decision and guard that `redecided` (LINK_SCHEMA) says."""
    for start in range(0, redecided.num_rows, LINKS_AT_ONCE):
        chunk = redecided.slice(start, LINKS_AT_ONCE)
        wanted = {
            (row["left_id"], row["right_id"]): (row["decision"], row["guard"] or "")
            for row in chunk.select(["left_id", "right_id", "decision", "guard"]).to_pylist()
        }
        with transaction.atomic():
            stand = Link.objects.filter(left__in={left for left, _right in wanted})
            update_rows(
                Link,
                ["decision", "guard"],
                [
                    (*wanted[left, right], pk)
                    for pk, left, right in stand.values_list("pk", "left_id", "right_id")
                    if (left, right) in wanted
                ],
            )


def standing_links(*, of: Collection[int], between: Collection[int] = ()) -> pa.Table:
    """STANDING_LINKS with an end in `of`, or both in `between`."""
    (left, ends), (right, _) = among("left_id", of), among("right_id", of)
    (one, both), (other, _) = among("left_id", between), among("right_id", between)
    condition = f"{left} OR {right} OR ({one} AND {other})"
    return read_table(f"{_STANDING} WHERE {condition}", STANDING_LINKS, [*ends * 2, *both * 2])


def _without_nulls(links: pa.Table) -> pa.Table:
    """A link without a rule or a guard has a blank there, as in the database."""
    for name in ("rule", "guard"):
        index = links.schema.get_field_index(name)
        links = links.set_column(index, name, links[name].fill_null(""))
    return links


def _batches(con: duckdb.DuckDBPyConnection, sql: str, params: dict[str, int]) -> Iterator[list[tuple]]:
    con.execute(sql, params)
    while batch := con.fetchmany(LINKS_AT_ONCE):
        yield batch


def _delete(keys: list[int]) -> int:
    with transaction.atomic():
        return Link.objects.filter(pk__in=keys).delete()[0]


@transaction.atomic
def _rewrite(batch: list[tuple]) -> int:
    return update_rows(Link, _VALUES, [(*row[3:], row[0]) for row in batch])


@transaction.atomic
def _insert(links: pa.Table) -> int:
    """Those whose refs both still stand."""
    ends = pc.unique(pa.chunked_array([*links["left"].chunks, *links["right"].chunks]))
    condition, params = among("id", ends.to_pylist())
    living = read_table(f"SELECT id FROM contacts_systemref WHERE {condition}", _REF_SCHEMA, params)["id"]
    if len(living) < len(ends):
        links = links.filter(pc.and_(pc.is_in(links["left"], living), pc.is_in(links["right"], living)))
    return insert_table(Link, links)

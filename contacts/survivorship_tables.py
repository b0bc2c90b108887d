"""Survivorship over many Contacts at once: the golden values that `survivorship` gives one by one."""

from collections.abc import Iterator

import duckdb
import pyarrow as pa

from contacts.survivorship import ADDRESS, ADDRESS_FIELDS, ORDERS, TIEBREAKERS

# Which refs each Contact has; exactly one of them is primary.
MEMBER_SCHEMA = pa.schema([("contact_id", pa.int64()), ("ref_id", pa.int64()), ("is_primary", pa.bool_())])
PIN_SCHEMA = pa.schema([("contact_id", pa.int64()), ("field", pa.string()), ("ref_id", pa.int64())])
# Moments as microseconds since 1970.
FACT_SCHEMA = pa.schema(
    [
        ("system_rank", pa.int64()),
        ("updated_at", pa.int64()),
        ("created_at", pa.int64()),
        ("last_purchased_at", pa.int64()),
        ("spent_total", pa.float64()),
    ]
)


def facts() -> list[str]:
    """The columns of FACT_SCHEMA that the tiebreakers in force look at."""
    looked_at = {ORDERS[rule][0] for rules in TIEBREAKERS.values() for rule in rules}
    return [name for name in FACT_SCHEMA.names if name in looked_at]


def golden_table(members: pa.Table, refs: pa.Table, pins: pa.Table, *, threads: int) -> pa.Table:
    """The golden values of each Contact: `contact_id` and the detail fields, by `contact_id`; a blank is ''.

    `members`: MEMBER_SCHEMA; `refs`: `ref_id`, the columns of `facts()` and the detail fields of at least
    these refs; `pins`: PIN_SCHEMA. Contacts without a primary are left out: which of their refs leads then is
    for `golden_values` to say. A few microseconds per ref.
    """
    with duckdb.connect(":memory:") as con:
        con.execute(f"set threads = {threads}; set enable_progress_bar = false")
        for name, table in (("members", members), ("refs", refs), ("pins", pins)):
            con.register(name, table)
        return con.sql(_sql()).to_arrow_table()


def _sql() -> str:
    orders = sorted({_order(key) for key in TIEBREAKERS})
    ranks = ", ".join(f"row_number() over (order by {order}) as rank_{n}" for n, order in enumerate(orders))
    pinned = ", ".join(f"max(ref_id) filter (where field = '{key}') as pin_{key}" for key in TIEBREAKERS)
    golden = ", ".join(
        term for key in TIEBREAKERS for term in _terms(key, f"rank_{orders.index(_order(key))}")
    )
    return f"""
        with pinned as (select contact_id, {pinned} from pins group by contact_id),
        ranked as (
            select members.contact_id, members.is_primary, refs.*, pinned.* exclude (contact_id), {ranks}
            from members join refs using (ref_id) left join pinned using (contact_id)
        )
        select contact_id, {golden} from ranked group by contact_id having bool_or(is_primary)
        order by contact_id
    """


def _order(key: str) -> str:
    terms = [" ".join(ORDERS[rule]) for rule in TIEBREAKERS[key]]
    return ", ".join([*terms, "ref_id"])


def _terms(key: str, rank: str) -> Iterator[str]:
    """SQL for the fields of a golden key, of the first ref that holds a value; a pinned one goes first."""
    fields = ADDRESS_FIELDS if key == ADDRESS else (key,)
    holds = " or ".join(_filled(field) for field in fields)
    first = f"if(ref_id = pin_{key}, 0, {rank})"
    for field in fields:
        value = f"arg_min({field}, {first}) filter (where {holds})"
        yield f"{value} as {field}" if field in _DATES else f"coalesce({value}, '') as {field}"


_DATES = frozenset({"date_of_birth"})


def _filled(field: str) -> str:
    return f"{field} is not null" if field in _DATES else f"{field} <> ''"

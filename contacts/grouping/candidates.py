"""Which pairs are worth comparing: a dozen kinds of key, less the keys that too many records share."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa

MOST_HOLDERS = 60
BAD_KEY_SCHEMA = pa.schema([("kind", pa.string()), ("key_hash", pa.string()), ("holders", pa.int64())])


@dataclass(frozen=True)
class KeyKind:
    """Records that agree on all `parts` (SQL over a record) are compared, unless one of `needs` is blank.

    Kinds of one `family` are searched together: the first name of one may be the last name of the other.
    """

    name: str
    parts: Sequence[str]
    needs: Sequence[str] = ()
    family: str = ""

    @property
    def is_filled(self) -> str:
        """SQL: none of the parts is blank."""
        return " and ".join(f"{part} is not null" for part in self.needs or self.parts)

    @property
    def text(self) -> str:
        """SQL: the key as text; only where `is_filled`."""
        return " || '|' || ".join(f"{part}::varchar" for part in self.parts)


KEY_KINDS = (
    KeyKind("email", ["em"]),
    KeyKind("mobile", ["mob"]),
    KeyKind("phone_initial", ["ph", "left(fn, 1)"]),
    KeyKind("last_birth", ["ln", "dob"], family="name_birth"),
    KeyKind("first_birth", ["fn", "dob"], family="name_birth"),
    KeyKind("postcode_last", ["pc", "ln"], family="postcode_name"),
    KeyKind("postcode_first", ["pc", "fn"], family="postcode_name"),
    # In either order: some systems have the two names in the wrong boxes.
    KeyKind("first_last", ["if(fn < ln, fn, ln)", "if(fn < ln, ln, fn)"], needs=("fn", "ln")),
    KeyKind("birth_postcode", ["dob", "pc"]),
    KeyKind("birth_house", ["dob", "hn"]),
    # For people without a date of birth whose postcode is blank or mistyped.
    KeyKind("house_last", ["street", "hn", "ln"], family="house_name"),
    KeyKind("house_first", ["street", "hn", "fn"], family="house_name"),
)

# A value of these that too many people share is no evidence at all, so it is blanked, not only not searched.
POISONABLE = {"email": "em", "mobile": "mob", "phone": "ph"}


def blank_poisoned(con: duckdb.DuckDBPyConnection, columns: Sequence[str], *, frozen: pa.Table) -> None:
    """Make the table `poisoned` (kind, holders) and blank its e-mails, mobiles and phones in `plain`."""
    con.execute("create or replace temp table poisoned (kind varchar, holders bigint)")
    con.register("frozen_keys", frozen)
    kinds = {row[0] for row in con.execute("select distinct kind from frozen_keys").fetchall()}
    for kind, column in POISONABLE.items():
        con.execute(f"create or replace temp table bad as {_bad_values_sql(kind, columns, kind in kinds)}")
        con.execute(f"insert into poisoned select '{kind}', holders from bad")
        if con.execute("select count(*) from bad").fetchall()[0][0]:
            mailbox = ", mailbox = null" if column == "em" else ""
            con.execute(
                f"update plain set {column} = null{mailbox} from bad where plain.{column} = bad.value"
            )
    con.execute("drop table bad")
    con.unregister("frozen_keys")


def _bad_values_sql(kind: str, columns: Sequence[str], has_frozen: bool) -> str:
    """SQL: value and distinct holders of each bad value; only often typed ones are looked at closely."""
    column, content = POISONABLE[kind], content_hash(columns)
    held = f"select {column} as value, count(*) as refs from plain where {column} is not null group by 1"
    frozen = f"keyed_hash('{kind}', value) in (select key_hash from frozen_keys where kind = '{kind}')"
    suspect = f"refs > {MOST_HOLDERS}" + (f" or (refs > 1 and {frozen})" if has_frozen else "")
    return f"""
        with suspects as (select value, {frozen if has_frozen else "false"} as is_frozen
            from ({held}) where {suspect})
        select value, count(distinct {content}) as holders
        from plain join suspects on plain.{column} = suspects.value
        group by value, is_frozen
        having is_frozen or count(distinct {content}) > {MOST_HOLDERS}
    """


def content_hash(columns: Sequence[str], salt: int = 0) -> str:
    """SQL: a number that two refs share when all their comparable details are the same."""
    return f"hash({salt}, {', '.join(columns)})"


def make_pairs(
    con: duckdb.DuckDBPyConnection, *, frozen: pa.Table, extra_kinds: Iterable[KeyKind] = ()
) -> None:
    """Make the table `pairs` (join_key_l < join_key_r, match_key) from `records`; add bad keys to `poisoned`.

    A pair stands once, however many keys it shares.
    """
    kinds = [*KEY_KINDS, *extra_kinds]
    _make_keys(con, kinds)
    _add_bad_keys(con, kinds, frozen)
    con.execute(f"""
        create or replace temp table live_keys as
        select keys.key, keys.rec from keys semi join
        (select key from held where records <= {MOST_HOLDERS} and not is_frozen) good using (key)
    """)
    con.execute("drop table keys; drop table held")
    con.execute("""
        create or replace temp table pairs as
        select distinct a.rec as join_key_l, b.rec as join_key_r, '0' as match_key
        from live_keys a join live_keys b on a.key = b.key and a.rec < b.rec
    """)
    con.execute("drop table live_keys")


def find_bad_keys(con: duckdb.DuckDBPyConnection, columns: Sequence[str]) -> pa.Table:
    """The keys of `plain` that more than MOST_HOLDERS distinct records hold: BAD_KEY_SCHEMA, hashed."""
    parts = [
        f"""select '{kind}' as kind, keyed_hash('{kind}', value) as key_hash, holders
        from ({_bad_values_sql(kind, columns, False)})"""
        for kind in POISONABLE
    ]
    con.execute(f"""
        create or replace temp table content as select plain.* from plain
        where ref_id in (select min(ref_id) from plain group by {content_hash(columns)})
    """)
    parts += [
        f"""select '{kind.name}' as kind, keyed_hash('{kind.name}', value) as key_hash, holders
        from (select {kind.text} as value, count(*) as holders from content
            where {kind.is_filled} group by 1 having count(*) > {MOST_HOLDERS})"""
        for kind in KEY_KINDS
        if kind.name not in POISONABLE
    ]
    table = con.sql(f"select * from ({' union all '.join(parts)}) order by 1, 2").to_arrow_table()
    con.execute("drop table content")
    return table.cast(BAD_KEY_SCHEMA)


def _make_keys(con: duckdb.DuckDBPyConnection, kinds: Sequence[KeyKind]) -> None:
    """The tables `keys` (key, rec) and `held` (key, records, sample), keys shared by two records or more."""
    selects = " union all ".join(
        f"""select hash('{kind.family or kind.name}', {", ".join(kind.parts)}) as key, rec, is_first,
            {number}::tinyint as kind
        from records where {kind.is_filled}"""
        for number, kind in enumerate(kinds)
    )
    con.execute(f"create or replace temp table keys as {selects}")
    con.execute("""
        create or replace temp table held as
        select key, any_value(kind) as kind, count_if(is_first) as records, min(rec) as sample,
            false as is_frozen
        from keys group by key having count(*) > 1
    """)


def _add_bad_keys(con: duckdb.DuckDBPyConnection, kinds: Sequence[KeyKind], frozen: pa.Table) -> None:
    """Mark in `held` the keys that the model knows as bad, and list all bad keys in `poisoned`."""
    frozen_kinds = set(frozen["kind"].to_pylist())
    con.register("frozen_keys", frozen)
    for number, kind in enumerate(kinds):
        if kind.name in frozen_kinds and kind.name not in POISONABLE:
            con.execute(f"""
                update held set is_frozen = true from records
                where held.kind = {number} and records.rec = held.sample
                and keyed_hash('{kind.name}', {kind.text})
                in (select key_hash from frozen_keys where kind = '{kind.name}')
            """)
    con.unregister("frozen_keys")
    names = " ".join(f"when {number} then '{kind.name}'" for number, kind in enumerate(kinds))
    con.execute(f"""
        insert into poisoned select case kind {names} end, records from held
        where records > {MOST_HOLDERS} or is_frozen
    """)

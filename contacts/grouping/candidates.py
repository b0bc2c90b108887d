"""Which pairs are worth comparing: a dozen kinds of key, less the keys that too many records share."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from contacts.grouping.normalise import COMPARABLE

MOST_HOLDERS = 60
# Of the pairs that only these kinds find, hardly one in a hundred is one person where more share the key.
FEW_HOLDERS = 20
# Between two models a key that is only searched by may grow as much as all refs may: twice. A value that is
# evidence may not, for it is no evidence beyond MOST_HOLDERS.
MOST_GROWTH = 2
BAD_KEY_SCHEMA = pa.schema([("kind", pa.string()), ("key_hash", pa.string()), ("holders", pa.int64())])


@dataclass(frozen=True)
class KeyKind:
    """Records that agree on all `parts` (SQL over a record) are compared, unless one of `needs` is blank.

    Kinds of one `family` are searched together: the first name of one may be the last name of the other.
    A key is bad on more than `most` distinct records.
    """

    name: str
    parts: Sequence[str]
    needs: Sequence[str] = ()
    family: str = ""
    most: int = MOST_HOLDERS

    @property
    def is_filled(self) -> str:
        """SQL: none of the parts is blank."""
        return " and ".join(f"{part} is not null" for part in self.needs or self.parts)

    @property
    def text(self) -> str:
        """SQL: the key as text; only where `is_filled`."""
        return " || '|' || ".join(f"{part}::varchar" for part in self.parts)


# Some people have little more than a name, a date and a city. Where no finer address is known, the city is
# the place and the initial stands for the house. Of the barest, kinds that would stay empty are used for a
# name in a city, and a date suffices: they are few in most data, and all that there is in some.
_PLACE = "coalesce(pc, if(ad is null, city, null))"
_IS_BARE = "ad is null and em is null and mob is null"
_STREET, _NUMBER = f"if({_IS_BARE}, pc, street)", f"if({_IS_BARE}, '', hn)"

KEY_KINDS = (
    KeyKind("email", ["em"]),
    KeyKind("mobile", ["mob"]),
    KeyKind(
        "phone_initial",
        [f"coalesce(ph, if({_IS_BARE}, city, null))", "if(ph is null, ln, left(fn, 1))"],
    ),
    KeyKind("last_birth", ["ln", "dob"], family="name_birth"),
    KeyKind("first_birth", ["fn", "dob"], family="name_birth"),
    KeyKind("postcode_last", [_PLACE, "ln"], family="postcode_name"),
    KeyKind("postcode_first", [_PLACE, "fn"], family="postcode_name"),
    # In either order: some systems have the two names in the wrong boxes.
    KeyKind(
        "first_last", ["if(fn < ln, fn, ln)", "if(fn < ln, ln, fn)"], needs=("fn", "ln"), most=FEW_HOLDERS
    ),
    KeyKind(
        "birth_postcode",
        [f"if({_IS_BARE}, city, dob::varchar)", f"if({_IS_BARE}, fn, {_PLACE})"],
        most=FEW_HOLDERS,
    ),
    KeyKind("birth_house", ["dob", f"if({_IS_BARE}, '', coalesce(hn, left(fn, 1)))"], most=FEW_HOLDERS),
    # For people without a date of birth whose postcode is blank or mistyped; and, of people of
    # whom little is known, for names that are mistyped.
    KeyKind("house_last", [_STREET, _NUMBER, f"if({_IS_BARE}, left(ln, 1), ln)"], family="house_name"),
    KeyKind("house_first", [_STREET, _NUMBER, f"if({_IS_BARE}, left(fn, 1), fn)"], family="house_name"),
)


class OutgrownKeys(Exception):
    """Keys became common since the model was frozen, which does not know them as bad: it fits no longer.

    `keys`: of each its kind and how many different records hold it, most first. `ref_ids`: all that hold one.
    """

    def __init__(self, keys: Sequence[tuple[str, int]], ref_ids: frozenset[int]) -> None:
        self.keys, self.ref_ids = keys, ref_ids
        super().__init__(f"{len(keys)} keys are on far more records than when the model was frozen.")


# Most pairs that only these find come to nothing, which is cheaper to foresee than to compare them.
WEAK_KINDS = ("first_last",)
STRONG, WEAK = "strong", "weak"

# A value of these that too many people share is no evidence at all, so it is blanked, not only not searched.
POISONABLE = {"email": "em", "mobile": "mob", "phone": "ph"}


def blank_poisoned(con: duckdb.DuckDBPyConnection, bad_keys: pa.Table) -> None:
    """Blank the bad e-mails, mobiles and phones in `plain`, and list them in the table `poisoned`."""
    con.execute("create or replace temp table poisoned (kind varchar, holders bigint)")
    con.register("bad_keys", bad_keys)
    kinds = {row[0] for row in con.execute("select distinct kind from bad_keys").fetchall()}
    for kind, column in POISONABLE.items():
        if kind not in kinds:
            continue
        con.execute(f"""
            create or replace temp table bad as
            with held as (select distinct {column} as value from plain where {column} is not null)
            select value, holders from held
            join (select key_hash, holders from bad_keys where kind = '{kind}') known
            on keyed_hash('{kind}', value) = key_hash
        """)
        con.execute(f"insert into poisoned select '{kind}', holders from bad")
        mailbox = ", mailbox = null" if column == "em" else ""
        con.execute(f"update plain set {column} = null{mailbox} from bad where plain.{column} = bad.value")
        con.execute("drop table bad")
    con.unregister("bad_keys")


def content_hash(columns: Sequence[str], salt: int = 0) -> str:
    """SQL: a number that two refs share when all their comparable details are the same."""
    return f"hash({salt}, {', '.join(columns)})"


def make_pairs(
    con: duckdb.DuckDBPyConnection, *, kinds: Sequence[KeyKind], bad_keys: pa.Table, only_fresh: bool = False
) -> None:
    """Make the table `pairs` (join_key_l < join_key_r, match_key) from `records`; add bad keys to `poisoned`.

    A pair stands once, however many keys it shares; its `match_key` is WEAK where only WEAK_KINDS found it,
    otherwise STRONG. Bad keys lead to none. Where `only_fresh`, there is a table `fresh` (rec, is_changed):
    only pairs of two of these, or of a changed one with any other, are made.

    Raises OutgrownKeys instead of making very many pairs; there must be a table `members` then.
    """
    _make_keys(con, kinds)
    if only_fresh:
        con.execute("""
            create or replace temp table keys as
            from keys semi join (from keys semi join fresh using (rec)) using (key)
        """)
    _make_held(con)
    _find_bad(con, kinds, bad_keys)
    con.execute("""
        create or replace temp table keys as
        select keys.* from keys join held using (key) where key not in (select key from bad)
    """)
    weak = ", ".join(str(number) for number, kind in enumerate(kinds) if kind.name in WEAK_KINDS)
    if only_fresh:
        con.execute("create or replace temp table fresh_keys as from keys join fresh using (rec)")
        con.execute("create or replace temp table changed_keys as from fresh_keys where is_changed")
    _refuse_outgrown(con, kinds, among="keys semi join changed_keys using (key)" if only_fresh else "keys")
    found = f"""
        select a.rec as x, b.rec as y, a.kind in ({weak}) and b.kind in ({weak}) as is_weak
        from {"changed_keys" if only_fresh else "keys"} a
        join keys b on a.key = b.key and {"a.rec <> b.rec" if only_fresh else "a.rec < b.rec"}
    """
    if only_fresh:
        found += f"""
            union all select a.rec, b.rec, a.kind in ({weak}) and b.kind in ({weak})
            from fresh_keys a join fresh_keys b on a.key = b.key and a.rec < b.rec
            where not a.is_changed and not b.is_changed
        """
    con.execute(f"""
        create or replace temp table pairs as
        select least(x, y) as join_key_l, greatest(x, y) as join_key_r,
            if(bool_and(is_weak), '{WEAK}', '{STRONG}') as match_key
        from ({found}) group by 1, 2
    """)
    con.execute("drop table keys; drop table held; drop table bad")


def blank_bad_values(
    con: duckdb.DuckDBPyConnection, known: pa.Table, *, kinds: Iterable[KeyKind]
) -> pa.Table:
    """Blank in `plain` the `known` bad values, and those that more than MOST_HOLDERS distinct records hold.

    Returns BAD_KEY_SCHEMA: the known, and all bad keys of these kinds. Other keys are counted as a run finds
    them, once bad values are blank: to a model with these keys no key of these refs is outgrown.
    """
    kinds = list(kinds)
    bad = pa.concat_tables([known, _bad_values(con, kinds)])
    blank_poisoned(con, bad)
    return pa.concat_tables([bad, _bad_searched(con, kinds)])


def _bad_values(con: duckdb.DuckDBPyConnection, kinds: Sequence[KeyKind]) -> pa.Table:
    """Those of POISONABLE, hashed; only often typed ones are looked at closely."""
    names = {kind.name for kind in kinds}
    parts = [
        f"""select '{kind}' as kind, keyed_hash('{kind}', value) as key_hash, holders from (
            with suspects as (
                select {column} as value from plain where {column} is not null group by 1
                having count(*) > {MOST_HOLDERS}
            )
            select value, count(distinct {content_hash(COMPARABLE)}) as holders
            from plain join suspects on plain.{column} = suspects.value
            group by value having holders > {MOST_HOLDERS}
        )"""
        for kind, column in POISONABLE.items()
        if kind in names or (kind == "phone" and names)
    ]
    return _as_bad_keys(con, parts)


def _bad_searched(con: duckdb.DuckDBPyConnection, kinds: Sequence[KeyKind]) -> pa.Table:
    if not kinds:
        return BAD_KEY_SCHEMA.empty_table()
    con.execute(f"""
        create or replace temp table content as select plain.* from plain
        where ref_id in (select min(ref_id) from plain group by {content_hash(COMPARABLE)})
    """)
    parts = [
        f"""select '{kind.name}' as kind, keyed_hash('{kind.name}', value) as key_hash, holders
        from (select {kind.text} as value, count(*) as holders from content
            where {kind.is_filled} group by 1 having count(*) > {kind.most})"""
        for kind in kinds
        if kind.name not in POISONABLE
    ]
    table = _as_bad_keys(con, parts)
    con.execute("drop table content")
    return table


def _as_bad_keys(con: duckdb.DuckDBPyConnection, parts: Sequence[str]) -> pa.Table:
    if not parts:
        return BAD_KEY_SCHEMA.empty_table()
    table = con.sql(f"select * from ({' union all '.join(parts)}) order by 1, 2").to_arrow_table()
    return table.cast(BAD_KEY_SCHEMA)


def _make_keys(con: duckdb.DuckDBPyConnection, kinds: Sequence[KeyKind]) -> None:
    """The table `keys` (key, rec, kind)."""
    selects = " union all ".join(
        f"""select hash('{kind.family or kind.name}', {", ".join(kind.parts)}) as key, rec,
            {number}::tinyint as kind
        from records where {kind.is_filled}"""
        for number, kind in enumerate(kinds)
    )
    con.execute(f"create or replace temp table keys as {selects}")


def _make_held(con: duckdb.DuckDBPyConnection) -> None:
    """The table `held` of the keys that can make a pair: key, how many times it is held, one rec and kind."""
    con.execute("""
        create or replace temp table held as
        select key, held, one // 64 as rec, one % 64 as kind
        from (select key, count(*) as held, min(rec * 64 + kind) as one from keys group by key)
        where held > 1
    """)


def _find_bad(con: duckdb.DuckDBPyConnection, kinds: Sequence[KeyKind], bad_keys: pa.Table) -> None:
    """The table `bad` of the `held` keys that the model knows as bad, which are listed in `poisoned` too.

    A key is bad under the name of any kind of its family; all kinds of a family write it alike.
    """
    con.register("bad_keys", bad_keys)
    con.execute("create or replace temp table bad (kind varchar, key ubigint, holders bigint)")
    known = set(bad_keys["kind"].to_pylist()) - set(POISONABLE)
    for kind in kinds:
        if kind.name not in known:
            continue
        family = {n: k for n, k in enumerate(kinds) if (k.family or k.name) == (kind.family or kind.name)}
        cases = " ".join(f"when {number} then {fellow.text}" for number, fellow in family.items())
        con.execute(f"""
            insert into bad
            select '{kind.name}', key, holders
            from (
                select key, keyed_hash('{kind.name}', case held.kind {cases} end) as key_hash
                from held join records using (rec) where held.kind in ({", ".join(map(str, family))})
            )
            join bad_keys using (key_hash) where bad_keys.kind = '{kind.name}'
        """)
    con.execute("insert into poisoned select kind, holders from bad")
    con.unregister("bad_keys")


def _refuse_outgrown(con: duckdb.DuckDBPyConnection, kinds: Sequence[KeyKind], *, among: str) -> None:
    """Raise OutgrownKeys where there are any `among` these rows of `keys` (SQL).

    Rows have been counted, in `held`; records that a person's decision or a closed system keeps apart
    from others like them are told from different ones only for the few that look outgrown.
    """
    limits = [kind.most * (1 if kind.name in POISONABLE else MOST_GROWTH) for kind in kinds]
    most = f"case kind {' '.join(f'when {n} then {limit}' for n, limit in enumerate(limits))} end"
    con.execute(f"""
        create or replace temp table suspects as
        select key, kind from {among} semi join (from held where held > {min(limits)}) using (key)
        group by key, kind having count(*) > {most}
    """)
    if con.execute("select count(*) from suspects").fetchall() == [(0,)]:
        return
    con.execute(f"""
        create or replace temp table outgrown as
        select key, kind, count(distinct {content_hash(COMPARABLE)}) as holders
        from suspects join keys using (key, kind) join records using (rec)
        group by key, kind having holders > {most}
    """)
    found = con.execute("select kind, holders from outgrown order by holders desc, kind").fetchall()
    if found:
        ref_ids = con.execute("""
            select distinct ref_id from outgrown join keys using (key) join members using (rec)
        """).fetchall()
        raise OutgrownKeys(
            [(kinds[number].name, holders) for number, holders in found], frozenset(row[0] for row in ref_ids)
        )

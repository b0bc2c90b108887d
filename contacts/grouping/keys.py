"""What is kept of each ref between runs: a print of its comparable details, and its candidate keys."""

from collections.abc import Sequence

import duckdb
import pyarrow as pa

from contacts.grouping.candidates import POISONABLE, KeyKind

SLOTS = 16
SLOT_NAMES = tuple(f"key_{number:02d}" for number in range(1, SLOTS + 1))
KNOWN_SCHEMA = pa.schema([("ref_id", pa.int64()), ("content", pa.int64())])
KEYS_SCHEMA = pa.schema([*KNOWN_SCHEMA, *((name, pa.int64()) for name in SLOT_NAMES)])


class TooManyKeyKinds(ValueError):
    """The rules need more kinds of key than there are places to keep them."""

    def __init__(self, count: int) -> None:
        super().__init__(
            f"The rules need {count} kinds of candidate key; {SLOTS} can be kept. "
            "Let rules agree on the same fields, or switch some off."
        )


def slots(kinds: Sequence[KeyKind]) -> dict[str, str]:
    """The slot of each kind, by its name. Raises TooManyKeyKinds."""
    if len(kinds) > SLOTS:
        raise TooManyKeyKinds(len(kinds))
    return {kind.name: slot for kind, slot in zip(kinds, SLOT_NAMES, strict=False)}


def fellows(kinds: Sequence[KeyKind]) -> dict[str, list[str]]:
    """For each slot the slots in which the same key may stand: those of its family."""
    slot_of = slots(kinds)
    families: dict[str, list[str]] = {}
    for kind in kinds:
        families.setdefault(kind.family or kind.name, []).append(slot_of[kind.name])
    return {slot: family for family in families.values() for slot in family}


def changed_keys(
    con: duckdb.DuckDBPyConnection,
    columns: Sequence[str],
    *,
    kinds: Sequence[KeyKind],
    bad_keys: pa.Table,
    known: pa.Table,
) -> pa.Table:
    """KEYS_SCHEMA of the refs of `plain` whose print is not the `known` one (KNOWN_SCHEMA), by ref_id.

    Call it once poisoned values are blanked. The hashes are keyed, so that a copy of the database tells
    nothing of who is in it. Of 60 bits two unlike keys seldom come to share one, and then only a pair too
    many is compared.
    """
    con.register("known", known)
    con.register("bad_keys", bad_keys)
    con.execute(f"""
        create or replace temp table printed as
        select ref_id, {_number("content", _content_text(columns))} as content from plain
    """)
    con.execute("""
        create or replace temp table changed as
        select printed.* from printed left join known using (ref_id)
        where known.content is null or known.content <> printed.content
    """)
    bad_kinds = set(bad_keys["kind"].to_pylist())
    values = ", ".join(
        f"{_slot_sql(kind, kind.name in bad_kinds)} as {slot}"
        for kind, slot in zip(kinds, SLOT_NAMES, strict=False)
    )
    unused = "".join(f", null::bigint as {slot}" for slot in SLOT_NAMES[len(slots(kinds)) :])
    table = con.sql(f"""
        select ref_id, content, {values}{unused} from changed join plain using (ref_id) order by ref_id
    """).to_arrow_table()
    con.execute("drop table printed; drop table changed")
    con.unregister("known")
    con.unregister("bad_keys")
    return table.cast(KEYS_SCHEMA)


def _number(kind: str, text: str) -> str:
    """SQL: a keyed hash as a positive bigint."""
    return f"('0x' || left(keyed_hash('{kind}', {text}), 15))::bigint"


def _content_text(columns: Sequence[str]) -> str:
    """SQL: all comparable details; a blank one stays apart from an empty one."""
    parts = [f"coalesce({column}::varchar, '~')" for column in columns]
    return f"concat_ws(chr(31), {', '.join(parts)})"


def _slot_sql(kind: KeyKind, has_bad: bool) -> str:
    is_good = kind.is_filled
    if has_bad and kind.name not in POISONABLE:
        bad = f"select key_hash from bad_keys where kind = '{kind.name}'"
        is_good += f" and keyed_hash('{kind.name}', {kind.text}) not in ({bad})"
    return f"case when {is_good} then {_number(kind.family or kind.name, kind.text)} end"

"""The formal names that a first name may stand for."""

from collections.abc import Iterable
from functools import lru_cache, reduce
from operator import or_
from zlib import crc32

import pyarrow as pa
from nicknames import NickNamer

ROOT_SCHEMA = pa.schema(
    [("name", pa.string()), ("roots", pa.list_(pa.string())), ("root_bits", pa.int64()), ("kin", pa.string())]
)


@lru_cache(maxsize=1)
def nickname_roots() -> pa.Table:
    """One row per known first name: itself and its formal names. Two names match where these overlap.

    Where the `root_bits` do not, the roots cannot. `kin` are all other names that match, as |rob|robert|: a
    text goes through a join far cheaper than a list.
    """
    formal = _formal_names()
    roots = {name: {name, *formal.get(name, ())} for name in _known(formal)}
    named: dict[str, set[str]] = {}
    for name, its_roots in roots.items():
        for root in its_roots:
            named.setdefault(root, set()).add(name)
    rows = [
        {
            "name": name,
            "roots": sorted(its_roots),
            "root_bits": _bits(its_roots),
            "kin": _kin(set().union(*(named[root] for root in its_roots)) - {name}),
        }
        for name, its_roots in roots.items()
    ]
    return pa.Table.from_pylist(rows, schema=ROOT_SCHEMA)


def _kin(names: Iterable[str]) -> str | None:
    listed = "|".join(sorted(names))
    return f"|{listed}|" if listed else None


def _bits(names: Iterable[str]) -> int:
    """A bit for each of the names: lists without a bit in common have no name in common."""
    return reduce(or_, (1 << crc32(name.encode()) % 63 for name in names))


def _formal_names() -> dict[str, set[str]]:
    """Nickname to formal names, less the pairs that the list also gives the other way round.

    There the name with more nicknames is the formal one; else Robert, listed as short for Bill, would
    match William.
    """
    nicknames = NickNamer().nickname_lookup
    formal: dict[str, set[str]] = {}
    for name, shorts in nicknames.items():
        for short in shorts:
            back = nicknames.get(short, set())
            if name not in back or len(back) <= len(shorts):
                formal.setdefault(short, set()).add(name)
    return formal


def _known(formal: dict[str, set[str]]) -> list[str]:
    return sorted({*formal, *(name for names in formal.values() for name in names)})

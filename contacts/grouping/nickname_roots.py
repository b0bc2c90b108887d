"""The formal names that a first name may stand for."""

from functools import lru_cache

import pyarrow as pa
from nicknames import NickNamer

ROOT_SCHEMA = pa.schema([("name", pa.string()), ("roots", pa.list_(pa.string()))])


@lru_cache(maxsize=1)
def nickname_roots() -> pa.Table:
    """One row per known first name: itself and its formal names. Two names match where these overlap."""
    formal = _formal_names()
    rows = [{"name": name, "roots": sorted({name, *formal.get(name, ())})} for name in _known(formal)]
    return pa.Table.from_pylist(rows, schema=ROOT_SCHEMA)


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

"""Holds: whether a ref's search text holds a typed one, by the index where the text is long enough."""

from collections.abc import Sequence
from typing import Any

from django.db.models import BooleanField, F, Func

from contacts.search_index import TABLE, UPTO, has_fts5
from contacts.search_spelling import glob_pattern, trigram_query


class HoldsParts(Func):
    """True where the search text at `path` holds these parts with one letter, any, between each two.

    The same rows on both databases, whatever the case of the letters. PostgreSQL's UPPER folds both sides,
    and its trigram index serves LIKE from three characters on. SQLite folds by pattern, over the rows that
    FTS5 offers.
    """

    output_field = BooleanField()

    def __init__(self, path: str, parts: Sequence[str]) -> None:
        super().__init__(F(path))
        self.parts = tuple(parts)

    def as_postgresql(self, compiler: Any, connection: Any, **_: Any) -> tuple[str, list[str]]:
        column, parameters = compiler.compile(self.source_expressions[0])
        escaped = "_".join(map(_escaped, self.parts))
        return f"{column} LIKE UPPER(%s)", [*parameters, f"%{escaped}%"]

    def as_sqlite(self, compiler: Any, connection: Any, **_: Any) -> tuple[str, list[str]]:
        [held] = self.source_expressions
        column, parameters = compiler.compile(held)
        pattern = "?".join(glob_pattern(part).strip("*") for part in self.parts)
        matching, found = f"{column} GLOB %s", [*parameters, f"*{pattern}*"]
        asked = (trigram_query(part) for part in self.parts) if has_fts5() else ()
        trigrams = " AND ".join(filter(None, asked))
        if not trigrams:
            return matching, found
        table = compiler.quote_name_unless_alias(held.alias)  # type: ignore[attr-defined]  (resolved: a Col)
        offered = (
            f"SELECT rowid FROM {TABLE} WHERE {TABLE} MATCH %s "
            f"UNION ALL SELECT id FROM contacts_systemref WHERE id > {UPTO}"
        )
        return f"({table}.id IN ({offered}) AND {matching})", [trigrams, *found]


class Holds(HoldsParts):
    """True where the search text at `path` holds the text."""

    def __init__(self, path: str, text: str) -> None:
        super().__init__(path, [text])


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")

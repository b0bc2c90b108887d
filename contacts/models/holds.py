"""Holds: whether a ref's search text holds a typed one, by the index where the text is long enough."""

from typing import Any

from django.db.models import BooleanField, F, Func

from contacts.search_index import TABLE, UPTO, has_fts5
from contacts.search_spelling import glob_pattern, trigram_query


class Holds(Func):
    """True where the search text at `path` holds the text, whatever the case of either.

    The same rows on both databases. PostgreSQL's UPPER folds both sides, and its trigram index serves LIKE
    from three characters on. SQLite folds by pattern, over the rows that FTS5 offers.
    """

    output_field = BooleanField()

    def __init__(self, path: str, text: str) -> None:
        super().__init__(F(path))
        self.text = text

    def as_postgresql(self, compiler: Any, connection: Any, **_: Any) -> tuple[str, list[str]]:
        column, parameters = compiler.compile(self.source_expressions[0])
        escaped = self.text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        return f"{column} LIKE UPPER(%s)", [*parameters, f"%{escaped}%"]

    def as_sqlite(self, compiler: Any, connection: Any, **_: Any) -> tuple[str, list[str]]:
        [held] = self.source_expressions
        column, parameters = compiler.compile(held)
        matching, found = f"{column} GLOB %s", [*parameters, glob_pattern(self.text)]
        trigrams = trigram_query(self.text) if has_fts5() else ""
        if not trigrams:
            return matching, found
        table = compiler.quote_name_unless_alias(held.alias)  # type: ignore[attr-defined]  (resolved: a Col)
        offered = (
            f"SELECT rowid FROM {TABLE} WHERE {TABLE} MATCH %s "
            f"UNION ALL SELECT id FROM contacts_systemref WHERE id > {UPTO}"
        )
        return f"({table}.id IN ({offered}) AND {matching})", [trigrams, *found]

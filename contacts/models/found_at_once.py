"""Which Contacts hold a word that few refs hold: asked at once, so that the list begins with their ids."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import BooleanField, F, Func, QuerySet

# Words in more refs than this are left to the list's own query, which stops when it has enough rows.
FEW_REFS = 30_000
FEWEST_LETTERS = 3  # shorter words have no trigram: every ref would be read


class Among(Func):
    """True where the id is one of these; PostgreSQL's alone. An IN with as many would take long to parse."""

    output_field = BooleanField()

    def __init__(self, ids: Iterable[int]) -> None:
        super().__init__(F("pk"))
        self.ids = sorted(ids)

    def as_sql(self, compiler: Any, connection: Any, **_: Any) -> tuple[str, tuple[Any, ...]]:
        column, parameters = compiler.compile(self.source_expressions[0])
        return f"{column} = ANY(%s::bigint[])", (*parameters, self.ids)


def contacts_of_few(asked: Sequence[QuerySet]) -> list[set[int] | None]:
    """Of each set of refs the ids of their Contacts; None of a set that is not few, and on SQLite.

    One query. PostgreSQL joins some ten thousand refs with their Contacts by reading every mapping and every
    Contact; given their ids as an array it looks them up, in two thirds of the time and on one processor.
    """
    if connection.vendor != "postgresql" or not asked:
        return [None] * len(asked)
    try:
        return _looked_up(asked)
    except EmptyResultSet:  # the user may see no system: there is nothing to ask for
        return [set() for _ in asked]


def _looked_up(asked: Sequence[QuerySet]) -> list[set[int] | None]:
    parts: list[str] = []
    parameters: list[Any] = []
    for number, refs in enumerate(asked):
        few, given = refs.order_by().values("pk")[: FEW_REFS + 1].query.sql_with_params()
        parts.append(
            f"SELECT {number}, CASE WHEN cardinality(few.ids) <= {FEW_REFS} THEN ARRAY("
            "SELECT contact_id FROM contacts_mapping WHERE system_ref_id = ANY(few.ids)"
            # OFFSET keeps PostgreSQL from looking for the refs once for each mention of them.
            f") END FROM (SELECT ARRAY({few}) AS ids OFFSET 0) AS few"
        )
        parameters += given
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(parts), parameters)
        found = dict(cursor.fetchall())
    return [None if found[number] is None else set(found[number]) for number in range(len(asked))]

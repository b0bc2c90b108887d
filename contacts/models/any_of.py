"""AnyOf: whether a column holds one of many values, told to PostgreSQL as one array."""

from collections.abc import Collection
from typing import Any

from django.db.models import BooleanField, F, Func


class AnyOf(Func):
    """As `__in` with thousands of texts or numbers: one parameter instead of thousands to be parsed."""

    output_field = BooleanField()

    def __init__(self, path: str, values: Collection[Any]) -> None:
        super().__init__(F(path))
        self.values = list(values)

    def as_postgresql(self, compiler: Any, connection: Any, **_: Any) -> tuple[str, list[Any]]:
        column, parameters = compiler.compile(self.source_expressions[0])
        return f"{column} = ANY(%s)", [*parameters, self.values]

    def as_sqlite(self, compiler: Any, connection: Any, **_: Any) -> tuple[str, list[Any]]:
        column, parameters = compiler.compile(self.source_expressions[0])
        marks = ", ".join(["%s"] * len(self.values))
        return f"{column} IN ({marks})", [*parameters, *self.values]

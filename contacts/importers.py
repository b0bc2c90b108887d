"""Importers: the kinds of file that can be brought in, each declared by the app that owns its rows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from contacts.cleaning import Column
from contacts.file_resources import FileResource
from contacts.models import RowPrint


@dataclass(frozen=True)
class Importer:
    """One kind of file: its resource, what a row is made into, and the services that take rows.

    `make` takes [line, value of each column...]. `admit` writes, `assess` only counts what it would come to;
    both are services shaped like those of `contacts.services.arrivals`. `key` is the column by which a row
    is known within its system, or within what the column `within` names; `prints` is where the rows taken
    last are remembered.
    """

    kind: str
    key: str
    prints: type[RowPrint]
    permission: str  # what a role needs to bring such files in, besides CHANGE on the system
    resource: type[FileResource]
    make: Callable[[list[Any]], Any]
    admit: Callable[..., Any]
    assess: Callable[..., Any]
    within: str = ""

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The columns that together know a row within its system."""
        return (self.within, self.key) if self.within else (self.key,)

    @property
    def name(self) -> str:
        """What such a file holds, as a heading."""
        return self.resource.get_display_name()

    @property
    def columns(self) -> Sequence[Column]:
        """How each column is read."""
        return self.resource.columns()

    @property
    def column_names(self) -> list[str]:
        """Our columns, in the order in which files and pages list them."""
        return [column.name for column in self.columns]

    @property
    def required(self) -> list[str]:
        """The columns without which a file is not taken."""
        return [column.name for column in self.columns if column.is_required]


IMPORTERS: dict[str, Importer] = {}


def register(importer: Importer) -> None:
    """Let files of this kind be brought in; each app does so in its `arrivals.py`."""
    IMPORTERS[importer.kind] = importer

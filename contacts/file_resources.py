"""FileResource: the columns of a file as an import_export resource, each read and written by one rule."""

from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, tzinfo
from numbers import Number
from typing import Any

from django.utils import timezone
from import_export.fields import Field
from import_export.resources import ModelResource
from import_export.widgets import Widget

from contacts.cleaning import Column, Reading, read_text, tidy


class CellWidget(Widget):
    """Writes a value so that an import reads it back: moments in ISO form, with their offset; numbers."""

    def render(self, value: Any, obj: Any = None, *, zone: tzinfo | None = None, **kwargs: Any) -> Any:
        if value is None:
            return ""
        if isinstance(value, datetime):
            return timezone.localtime(value, zone).isoformat(" ")
        if isinstance(value, date):
            return value.isoformat()
        return value if isinstance(value, Number) else str(value)


class ColumnWidget(CellWidget):
    """Reads a cell by the rule of its column, which the fast import follows too."""

    def __init__(self, column: Column) -> None:
        super().__init__()
        self.column = column

    def clean(self, value: Any, row: Any = None, *, reading: Reading | None = None, **kwargs: Any) -> Any:
        """The value that the text stands for. Raises Unreadable, a ValueError."""
        reading = reading or Reading(zone=timezone.get_current_timezone(), today=timezone.localdate())
        return self.column.value_of(tidy("" if value is None else str(value)), reading)


class ShownField(Field):
    """A column that exports carry and imports leave out."""

    def __init__(self, name: str, attribute: str) -> None:
        super().__init__(attribute=attribute, column_name=name, widget=CellWidget(), readonly=True)


class ColumnField(Field):
    """A column of imports and exports; `attribute` leads to its value where that has another name.

    The rest is a `Column`'s: the reader, the longest text, whether it must be filled, what a blank becomes.
    """

    def __init__(
        self,
        name: str,
        read: Callable[[str, Reading], Any] = read_text,
        *,
        attribute: str = "",
        limit: int = 200,
        is_required: bool = False,
        blank: Any = "",
        repeats: bool = False,
    ) -> None:
        self.column = Column(name, read, limit, is_required, blank, repeats)
        super().__init__(attribute=attribute or name, column_name=name, widget=ColumnWidget(self.column))


class FileResource(ModelResource):
    """One kind of file. `Meta.import_order` are the columns that are read, `Meta.export_order` those written.

    Rows are read through `columns()` and written by the importer's service, chunk by chunk and with their
    history; the library's own way of saving, row by row without any, is closed.
    """

    @classmethod
    def columns(cls) -> tuple[Column, ...]:
        """The columns that an import reads, in the order of the values it makes rows of."""
        return tuple(cls.fields[name].column for name in cls._meta.import_order)

    def get_user_visible_fields(self) -> list[Field]:
        return self.get_export_fields()

    def do_instance_save(self, instance: Any, is_create: bool) -> None:
        raise TypeError(f"{type(self).__name__} saves nothing: rows are written by their importer's service.")

    def lines(self, rows: Iterable[Any], *, zone: tzinfo) -> Iterator[list[Any]]:
        """The header, then a line for each row, as they come; moments in this zone."""
        fields = self.get_export_fields()
        yield [field.column_name for field in fields]
        for row in rows:
            yield [field.export(row, zone=zone) for field in fields]

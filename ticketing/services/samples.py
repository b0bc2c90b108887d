"""Some real rows of a source as they come and as they would stand here, for the mapping editor."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from contacts.cleaning import Refusal
from contacts.models.history import Origin
from contacts.row_blocks import Block, FileRefused, Row
from contacts.services.arrivals import as_text
from contacts.services.imports import ImportOptions, read_table
from ticketing.connectors.base import PRIMARY_NAME, DataSet, Sample, SourceError
from ticketing.models import SourceConnection
from ticketing.services.connections import opened
from ticketing.services.staging import Lot, importer_of

SAMPLED_ROWS = 20


@dataclass(frozen=True)
class SampleRow:
    """A row as it came, by column, and what it would be by our names, or why it would be rejected."""

    raw: tuple[str, ...]
    mapped: Mapping[str, str] = field(default_factory=dict)
    refusal: Refusal | None = None


@dataclass(frozen=True)
class MappedSample:
    """`meant` is what each of their columns would be to us, blank for those left out; `problem` says why the
    columns do not do, or why the source could not be read, and `advice` what to do."""

    columns: tuple[str, ...] = ()
    meant: tuple[str, ...] = ()
    rows: list[SampleRow] = field(default_factory=list)
    problem: str = ""
    advice: str = ""


def fields_of(data_set: DataSet) -> list[str]:
    """Our fields that a column of this data set may lead to."""
    own = importer_of(data_set).column_names
    if data_set is not DataSet.ACCOUNTS:
        return own
    of_names = [name for name in importer_of(DataSet.NAMES).column_names if name not in own]
    return [*own, PRIMARY_NAME, *of_names]


def sample(connection: SourceConnection, data_set: DataSet, *, rows: int = SAMPLED_ROWS) -> Sample:
    """The first rows as they come. Raises SourceError."""
    with opened(connection) as connector:
        return connector.sample(data_set, rows=rows)


def mapped_sample(
    connection: SourceConnection,
    data_set: DataSet,
    *,
    now: datetime,
    columns: Mapping[str, str] | None = None,
    rows: int = SAMPLED_ROWS,
) -> MappedSample:
    """The first rows beside what they would be under a mapping (theirs -> ours), usually the one that stands.

    Writes nothing. What goes wrong is told in the answer.
    """
    try:
        found = sample(connection, data_set, rows=rows)
    except SourceError as error:
        return MappedSample(problem=str(error), advice=error.advice)
    return map_sample(found, connection, data_set, columns=columns, now=now)


def map_sample(
    found: Sample,
    connection: SourceConnection,
    data_set: DataSet,
    *,
    now: datetime,
    columns: Mapping[str, str] | None = None,
) -> MappedSample:
    """What these rows would be under a mapping."""
    if columns is not None:  # on a copy that is never saved
        connection = SourceConnection.objects.select_related("system").get(pk=connection.pk)
        connection.mapping = {**connection.mapping, data_set.value: dict(columns)}
    lot = Lot(f"{data_set.value}.0", found.columns)
    try:
        layout = lot.layout(connection)
    except SourceError as error:
        return MappedSample(
            found.columns,
            rows=[SampleRow(row) for row in found.rows],
            problem=str(error),
            advice=error.advice,
        )
    named = {position: name for name, position in layout.positions.items()}
    meant = tuple(named.get(position, "") for position in range(len(found.columns)))
    return MappedSample(found.columns, meant, _mapped_rows(found, connection, lot, now=now))


def _mapped_rows(found: Sample, connection: SourceConnection, lot: Lot, *, now: datetime) -> list[SampleRow]:
    options = ImportOptions(lot.column_map(connection), connection.date_format, connection.time_zone)
    try:
        file = read_table(
            _SampleTable(lot.header(connection)),
            importer=lot.importer,
            system=connection.system,
            options=options,
            now=now,
            way_in=Origin.PULL,
        )
    except FileRefused as refusal:
        return [SampleRow(row, refusal=Refusal(0, "", "", str(refusal))) for row in found.rows]
    names = [name for name in lot.importer.column_names if name in file.layout.positions]
    rows = []
    for number, raw in enumerate(found.rows, start=1):
        cleaned = file.cleaner.clean(number, list(raw))
        if isinstance(cleaned, Refusal):
            rows.append(SampleRow(raw, refusal=cleaned))
            continue
        values = dict(zip(lot.importer.column_names, map(as_text, cleaned[1:]), strict=True))
        rows.append(SampleRow(raw, {name: values[name] for name in names}))
    return rows


class _SampleTable:
    """A header whose rows are read one by one."""

    size = 0
    has_unique_keys = True

    def __init__(self, header: list[str]) -> None:
        self.header = header

    def rows(self) -> Iterator[Row]:
        return iter(())

    def blocks(self, columns: Sequence[int]) -> Iterator[Block]:
        return iter(())

    def position(self) -> int:
        return 0

"""The mapping editor: what each column of the source means here, beside real rows and what they would be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from ticketing.admin.connection_access import ConnectionAccess, asked_by_a_page
from ticketing.connectors.base import DataSet
from ticketing.models import SourceConnection
from ticketing.services.connections import BadConnection, MayNotConnect, save_mapping
from ticketing.services.samples import MappedSample, fields_of, mapped_sample
from ticketing.services.staging import column_map_of, importer_of

EXAMPLES = 3
MOST_COLUMNS = 500


@dataclass(frozen=True)
class ColumnLine:
    """One column of theirs: real values of it, our field, and what those values would be here."""

    number: int
    theirs: str
    ours: str
    examples: Sequence[str]
    standing: Sequence[tuple[str, bool]]  # the value, and whether it would be taken; for each example


@dataclass(frozen=True)
class SampledRow:
    """A row of the sample under our fields, or why it would be rejected."""

    number: int
    cells: Sequence[str]
    reason: str
    column: str
    value: str


class MappingEditor(ConnectionAccess):
    """Who may pull maps: the page shows values of people, so it takes CHANGE on the system as well."""

    def mapping_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The columns of one data set and the sample; on POST let them mean what was chosen."""
        connection = self.must_pull(request, object_id)
        data_set = _data_set(request)
        refusal = ""
        if request.method == "POST":
            refusal = self._save_mapping(request, connection, data_set)
            if not refusal:
                said = "Saved. The next pull reads everything again under this mapping."
                self.message_user(request, said, messages.SUCCESS)
                return HttpResponseRedirect(_address(connection, data_set))
        columns = _chosen(request.POST) if request.method == "POST" else None
        context = {
            **self.page_context(request, connection, "Mapping"),
            "tabs": [
                (one, _address(connection, one), one is data_set, len(connection.mapping.get(one.value, {})))
                for one in DataSet
            ],
            "refusal": refusal,
            "address": _address(connection, data_set),
            "preview_address": _address(connection, data_set, "mapping_preview"),
            **_sample_context(connection, data_set, columns),
        }
        return TemplateResponse(request, "ticketing/connections/mapping.html", context)

    def preview_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """What the chosen mapping would make of the sample; a part of the page. Writes nothing."""
        connection = self.must_pull(request, object_id)
        context = _sample_context(connection, _data_set(request), _chosen(request.POST))
        context["is_answer"] = True
        return TemplateResponse(request, "ticketing/connections/mapped.html", context)

    def _save_mapping(self, request: HttpRequest, connection: SourceConnection, data_set: DataSet) -> str:
        """Save what was chosen; why not, where it cannot be."""
        columns = _chosen(request.POST)
        known = set(fields_of(data_set))
        if unknown := [ours for ours in columns.values() if ours and ours not in known]:
            return f"“{unknown[0]}” is no field of the {data_set}."
        try:
            save_mapping(connection, data_set, columns, by=request.user, now=timezone.now())
        except MayNotConnect as refusal:
            raise PermissionDenied from refusal
        except BadConnection as refusal:
            return str(refusal)
        return ""


def _data_set(request: HttpRequest) -> DataSet:
    try:
        return DataSet(request.GET.get("data_set", DataSet.ACCOUNTS.value))
    except ValueError:
        raise Http404 from None


def _address(connection: SourceConnection, data_set: DataSet, page: str = "mapping") -> str:
    address = reverse(f"admin:ticketing_sourceconnection_{page}", args=[connection.pk])
    return f"{address}?data_set={data_set.value}"


def _chosen(posted: QueryDict) -> dict[str, str]:
    """Their column -> ours, blank for one left out, as the form has it."""
    chosen = {}
    for number in range(MOST_COLUMNS):
        theirs = posted.get(f"theirs-{number}")
        if theirs is None:
            break
        chosen[theirs] = posted.get(f"ours-{number}", "")
    return chosen


def _sample_context(
    connection: SourceConnection, data_set: DataSet, columns: Mapping[str, str] | None
) -> dict[str, Any]:
    found = mapped_sample(asked_by_a_page(connection), data_set, now=timezone.now(), columns=columns)
    told = {**column_map_of(connection, data_set), **(columns or {})}
    lines = _lines(found, told, fields_of(data_set))
    used = [name for name in fields_of(data_set) if any(name in row.mapped for row in found.rows)]
    rows = _sampled_rows(found, used)
    if not used and not any(row.reason for row in rows):  # nothing is mapped yet: they are shown as they come
        rows = [SampledRow(number, row.raw, "", "", "") for number, row in enumerate(found.rows, start=1)]
    return {
        "data_set": data_set,
        "sample": found,
        "lines": lines,
        "left_out": sum(not line.ours for line in lines),
        "fields": fields_of(data_set),
        "required": importer_of(data_set).required,
        "heads": used or found.columns,
        "is_mapped": bool(used) and not found.problem,
        "rows": rows,
        "refused": sum(bool(row.reason) for row in rows),
    }


def _lines(found: MappedSample, told: Mapping[str, str], fields: Sequence[str]) -> list[ColumnLine]:
    ours_by_look = {_bare(name): name for name in fields}
    lines = []
    for place, theirs in enumerate(found.columns):
        meant = found.meant[place] if found.meant else ""
        ours = told.get(theirs, meant or ours_by_look.get(_bare(theirs), ""))
        shown = _examples(found, place, ours)
        lines.append(ColumnLine(place, theirs, ours, list(shown), list(shown.values()) if ours else []))
    return lines


def _examples(found: MappedSample, place: int, ours: str) -> dict[str, tuple[str, bool]]:
    """Some values of a column and what they would be, where it can from rows that other columns let pass."""
    shown: dict[str, tuple[str, bool]] = {}
    for row in sorted(found.rows, key=lambda row: row.refusal is not None and row.refusal.column != ours):
        value = row.raw[place] if place < len(row.raw) else ""
        if value and value not in shown and len(shown) < EXAMPLES:
            shown[value] = (row.mapped.get(ours, ""), row.refusal is None)
    return shown


def _sampled_rows(found: MappedSample, used: Sequence[str]) -> list[SampledRow]:
    rows = []
    for number, row in enumerate(found.rows, start=1):
        refusal = row.refusal
        cells = [row.mapped.get(name, "") for name in used]
        rows.append(
            SampledRow(
                number,
                cells,
                refusal.reason if refusal else "",
                refusal.column if refusal else "",
                refusal.value if refusal else "",
            )
        )
    return rows


def _bare(name: str) -> str:
    """A column's name as it is compared: whatever its case, blanks, hyphens and underscores."""
    return "".join(letter for letter in name.lower() if letter not in " _-")

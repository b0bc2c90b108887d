"""Export and import of per-system rows: who may, what goes out, and where the buttons over a list lead."""

import logging
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from import_export.admin import ExportMixin
from unfold.contrib.import_export.forms import ExportForm

from contacts.admin_access import PerSystemAdmin
from contacts.export_files import FORMATS, MOST_XLSX_LINES, StreamedXlsx, TooManyLines
from contacts.importers import IMPORTERS, Importer
from contacts.models import Job
from contacts.permissions import SystemRight, systems_with

ROWS_AT_ONCE = 2000
logger = logging.getLogger(__name__)


def importers_of(user: User) -> list[Importer]:
    """The kinds of file that the user's role may bring in, System Refs first."""
    return [IMPORTERS[kind] for kind in Job.Kind if user.has_perm(IMPORTERS[kind].permission)]


def may_import(user: User, kind: str) -> bool:
    """Whether the role allows such files, and some system's records are the user's to change."""
    return (
        user.has_perm("contacts.add_job")
        and user.has_perm(IMPORTERS[kind].permission)
        and bool(systems_with(user, SystemRight.VIEW) & systems_with(user, SystemRight.CHANGE))
    )


class FormatForm(ExportForm):
    """Which format; CSV unless another is chosen."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["format"]
        field.choices = field.choices[1:]  # type: ignore[attr-defined]
        field.widget.choices = field.choices  # type: ignore[attr-defined]


class _LibraryExport(ExportMixin, admin.ModelAdmin):
    """The library's mixin before the stock admin, so that unfold's may stand before both."""


class ExportingAdmin(PerSystemAdmin, _LibraryExport):
    """A list that may be exported by whoever may see it: exactly its rows, as filtered and sorted.

    The page and its form are import_export's; the file is streamed, and no cell of it is a formula.
    `import_kind` names the kind of file that the list's Import button brings in.
    """

    import_export_change_list_template = None
    export_template_name = "contacts/exports/export.html"
    export_form_class = FormatForm
    formats = FORMATS
    import_kind = ""

    def has_export_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def get_valid_export_item_pks(self, request: HttpRequest) -> list[int]:
        return []  # nothing is chosen by its id: it would tell which ids there are

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context: dict[str, Any] = {"import_address": "", "title": self._title()}
        if self.import_kind and may_import(request.user, self.import_kind):
            query = urlencode({"kind": self.import_kind})
            context["import_address"] = f"{reverse('admin:contacts_job_import')}?{query}"
        return super().changelist_view(request, context | (extra_context or {}))

    def export_action(self, request: HttpRequest) -> HttpResponse:
        """GET shows the form, POST brings the file. An address that filters by nonsense leads to the list."""
        try:
            return super().export_action(request)
        except IncorrectLookupParameters:
            return redirect(self._list_address())

    def init_request_context_data(self, request: HttpRequest, form: Any) -> dict[str, Any]:
        rows = self.get_export_queryset(request)
        title = self._title()
        return super().init_request_context_data(request, form) | {
            "title": f"Export {title}",
            "crumbs": [(title, self._list_address()), ("Export", "")],
            "row_count": self.get_paginator(request, rows, 1).shown_count,
            "list_address": f"{self._list_address()}?{request.GET.urlencode()}",
            "most_xlsx_lines": MOST_XLSX_LINES,
            "is_narrowed": bool(request.GET),
        }

    def export_rows(self, request: HttpRequest, queryset: Any) -> Iterable[Any]:
        """What the resource's fields are read from; a constant number of queries for each chunk."""
        return queryset.iterator(chunk_size=ROWS_AT_ONCE)

    def _do_file_export(
        self, file_format: Any, request: HttpRequest, queryset: QuerySet, export_form: Any = None
    ) -> HttpResponse:
        """The file as a stream, where the library builds all of it in memory."""
        if isinstance(file_format, StreamedXlsx) and queryset[MOST_XLSX_LINES:].exists():
            raise TooManyLines(
                f"More than {MOST_XLSX_LINES:,} rows are not written as XLSX; take CSV, or filter the list."
            )
        resource = self.choose_export_resource_class(export_form, request)()
        lines = resource.lines(self.export_rows(request, queryset), zone=timezone.get_current_timezone())
        response = StreamingHttpResponse(
            file_format.parts(self._logged(lines, request, file_format)),
            content_type=file_format.get_content_type(),
        )
        name = self.get_export_filename(request, queryset, file_format)
        response["Content-Disposition"] = f'attachment; filename="{name}"'
        return response

    def _logged(self, lines: Iterator[Any], request: HttpRequest, file_format: Any) -> Iterator[Any]:
        count = -1  # the header is no row
        try:
            for line in lines:
                count += 1
                yield line
        finally:
            logger.info(
                "User %s exported %s rows of %s as %s",
                request.user.pk,
                max(count, 0),
                self.opts.label,
                file_format.get_title(),
            )

    def _title(self) -> str:
        title = str(self.opts.verbose_name_plural)
        return title[:1].upper() + title[1:]

    def _list_address(self) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")

"""Setting a connection up and changing it: choose a connector, fill in what it asks for, save and test."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils import timezone

from contacts.admin_access import organisation_of
from contacts.models import TicketSystem
from contacts.permissions import SystemRight
from ticketing.admin.connection_access import ConnectionAccess, page_of
from ticketing.admin.connection_forms import ConnectionForm, without_passwords
from ticketing.connectors import KINDS
from ticketing.connectors.base import Kind
from ticketing.models import SourceConnection
from ticketing.services.connections import (
    PULLED_KINDS,
    BadConnection,
    MayNotConnect,
    save_connection,
    set_paused,
)


class ConnectionSettings(ConnectionAccess):
    """The two views that take a connection's settings: for a new one and for one that stands."""

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Connect a system: the connector first, then its form."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        return self._settings(request, None, KINDS.get(request.GET.get("connector", "")))

    def settings_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Change where, how and when a system is pulled."""
        connection = self.connection(request, object_id)
        if not self.may_set_up(request, connection):
            raise PermissionDenied
        kind = KINDS.get(request.GET.get("connector", connection.connector))
        return self._settings(request, connection, kind)

    def connectable(self, request: HttpRequest) -> QuerySet[TicketSystem]:
        """Systems without a connection whose records the user may see and change."""
        systems: Any = TicketSystem.objects.visible_to(request.user)
        return (
            systems.visible_to(request.user, SystemRight.CHANGE)
            .filter(kind__in=PULLED_KINDS, source_connection=None)
            .order_by("rank", "code")
        )

    def shown_options(self, connection: SourceConnection) -> list[tuple[str, str, bool]]:
        """Label, value and whether it is long, of what is set and no secret; in the connector's order."""
        kind = KINDS.get(connection.connector)
        return [
            (option.label, connection.options[option.name], option.is_long)
            for option in (kind.options if kind else ())
            if not option.is_secret and connection.options.get(option.name)
        ]

    def _settings(
        self, request: HttpRequest, connection: SourceConnection | None, kind: Kind | None
    ) -> HttpResponse:
        form = self._form(request, connection, kind) if kind else None
        if request.method == "POST" and form and form.is_valid():
            saved = self._save(request, connection, form)
            if saved is not None:
                return self._saved(request, saved)
        context = {
            **self.page_context(request, connection, "Settings" if connection else "Connect a system"),
            "kinds": list(KINDS.values()),
            "kind": kind,
            "form": form,
            "parts": form.parts() if form else None,
            "systems": list(self.connectable(request)) if connection is None else [],
            "may_add_system": request.user.has_perm("contacts.add_ticketsystem"),
            "chosen_system": request.GET.get("system", ""),
            "changes_connector": connection is not None
            and kind is not None
            and kind.name != connection.connector,
        }
        return TemplateResponse(request, "ticketing/connections/settings.html", context)

    def _form(self, request: HttpRequest, connection: SourceConnection | None, kind: Kind) -> ConnectionForm:
        if connection is None:
            self._refuse_forged_system(request)
        initial = {"system": request.GET["system"]} if request.GET.get("system", "").isdecimal() else {}
        return ConnectionForm(
            without_passwords(request.POST, kind) if request.method == "POST" else None,
            kind=kind,
            systems=self.connectable(request) if connection is None else None,
            connection=connection,
            zone=organisation_of(request).time_zone,
            initial=initial,
        )

    def _refuse_forged_system(self, request: HttpRequest) -> None:
        """A system that the user sees without CHANGE is not on offer: naming it anyway is refused."""
        wanted = request.POST.get("system", "")
        if not wanted.isdecimal():
            return
        systems: Any = TicketSystem.objects.visible_to(request.user).filter(pk=wanted)
        if systems.exists() and not systems.visible_to(request.user, SystemRight.CHANGE).exists():
            raise PermissionDenied

    def _save(
        self, request: HttpRequest, connection: SourceConnection | None, form: ConnectionForm
    ) -> SourceConnection | None:
        system = connection.system if connection is not None else form.cleaned_data["system"]
        now = timezone.now()
        try:
            with transaction.atomic():
                saved = save_connection(system, form.wanted(), by=request.user, now=now)
                if connection is None and not form.cleaned_data["starts"]:
                    set_paused(saved, True, by=request.user, now=now)
                return saved
        except MayNotConnect as refusal:
            raise PermissionDenied from refusal
        except BadConnection as refusal:
            form.refuse(refusal)
            return None

    def _saved(self, request: HttpRequest, saved: SourceConnection) -> HttpResponse:
        self.message_user(request, f"The connection of {saved.system.code} is saved.", messages.SUCCESS)
        query = "?test" if "test" in request.POST else ""
        return HttpResponseRedirect(f"{page_of(saved)}{query}")

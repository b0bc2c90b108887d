"""Whom the screens of connections let in: rows by rights on the system, acts by the role's permission too."""

from copy import copy
from typing import Any

from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest
from django.urls import reverse

from contacts.admin_access import PerSystemAdmin
from contacts.permissions import SystemRight, holds
from ticketing.models import SourceConnection

CONNECTIONS = "admin:ticketing_sourceconnection_changelist"
MAY_PULL = "ticketing.pull_sourceconnection"
MAY_SET_UP = "ticketing.change_sourceconnection"
SECONDS_OF_A_PAGE = 20  # that a query may take while somebody waits
# Ticketing databases and files are pulled; bookings, hand entry and the CRM have ways in of their own.


class ConnectionAccess(PerSystemAdmin):
    """What every screen of a connection asks before it shows or does something.

    Seeing takes the role's permission and VIEW on the system; pulling, pausing, testing and mapping take
    `pull_sourceconnection` and CHANGE; addresses, credentials and the schedule `change_sourceconnection`
    and CHANGE. What may not be seen is absent.
    """

    def may_pull(self, request: HttpRequest, connection: SourceConnection) -> bool:
        """Whether the user may start, pause, test, map and accept here."""
        return request.user.has_perm(MAY_PULL) and holds(request.user, SystemRight.CHANGE, connection.system)

    def may_set_up(self, request: HttpRequest, connection: SourceConnection) -> bool:
        """Whether the user may change where and how often it is pulled."""
        return request.user.has_perm(MAY_SET_UP) and holds(
            request.user, SystemRight.CHANGE, connection.system
        )

    def must_pull(self, request: HttpRequest, object_id: str) -> SourceConnection:
        """The connection; 404 for one that may not be seen, 403 for one that may not be pulled."""
        connection = self.connection(request, object_id)
        if not self.may_pull(request, connection):
            raise PermissionDenied
        return connection

    def connection(self, request: HttpRequest, object_id: str) -> SourceConnection:
        """The connection of this number; 404 where it may not be seen, 403 without the role's permission."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = self.get_object(request, unquote(object_id))
        if found is None:
            raise Http404
        return found

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def page_context(
        self, request: HttpRequest, connection: SourceConnection | None, *crumbs: str
    ) -> dict[str, Any]:
        """What every page hands its template: the way here, by the last of `crumbs` its title."""
        way = [("Connections", reverse(CONNECTIONS))]
        if connection is not None:
            way.append((connection.system.code, page_of(connection)))
        way += [(crumb, "") for crumb in crumbs]
        way[-1] = (way[-1][0], "")
        return {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": connection,
            "connection": connection,
            "title": " · ".join([title for title, _address in way[1:]] or ["Connections"]),
            "crumbs": way,
        }


def asked_by_a_page(connection: SourceConnection) -> SourceConnection:
    """A copy of the connection, never saved, whose source has to answer while somebody waits for the page."""
    asked = copy(connection)
    asked.statement_seconds = min(connection.statement_seconds, SECONDS_OF_A_PAGE)
    return asked


def page_of(connection: SourceConnection) -> str:
    """The address of a connection's page."""
    return reverse("admin:ticketing_sourceconnection_change", args=[connection.pk])

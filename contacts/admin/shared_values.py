"""The screen “Shared values”: e-mails and phones that stand at several Contacts under different names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import urlencode

from contacts.admin.sent_ids import sent_text
from contacts.permissions import systems_of
from contacts.services.shared_lists import Field, LinesPage, shared_lines
from contacts.services.shared_values import Look

if TYPE_CHECKING:
    from django.contrib.auth.models import User

_FIELDS = {Field.EMAIL: "e-mails", Field.MOBILE: "mobiles", Field.PHONE: "business phones"}
_LOOKS = {
    Look.HOUSEHOLD: "households",
    Look.OFFICE: "offices",
    Look.MAILBOX: "shared mailboxes",
    Look.UNCLEAR: "unclear",
}


@dataclass(frozen=True)
class Option:
    """One choice of a select."""

    value: str
    label: str
    is_chosen: bool


class SharedValuesScreen:
    """What ContactAdmin needs to offer the screen."""

    def get_urls(self) -> list[URLPattern]:
        admin: Any = self
        view = admin.admin_site.admin_view(self.shared_values_view)
        return [path("shared/", view, name="contacts_contact_shared"), *super().get_urls()]  # type: ignore[misc]

    def shared_values_view(self, request: HttpRequest) -> HttpResponse:
        """Only shows, over the refs that the user may see; an unknown choice is as none."""
        admin: Any = self
        if not admin.has_view_permission(request) or request.method not in ("GET", "HEAD"):
            raise PermissionDenied
        user = cast("User", request.user)
        field = _one_of(Field, request.GET.get("of", "")) or Field.EMAIL
        look = _one_of(Look, request.GET.get("look", ""))
        system = next((s for s in systems_of(user) if s.code == request.GET.get("system")), None)
        page = shared_lines(
            user,
            field=field,
            look=look,
            systems=[system.pk] if system else None,
            after=sent_text(request.GET.get("after", "")),
        )
        chosen = {
            "of": field.value,
            "look": look.value if look else "",
            "system": system.code if system else "",
        }
        context = {
            **admin.admin_site.each_context(request),
            "opts": admin.opts,
            "is_fullwidth": "1",
            "title": "Shared values",
            "crumbs": [("Contacts", reverse("admin:contacts_contact_changelist")), ("Shared values", "")],
            "page": page,
            "of_what": _FIELDS[field],
            "fields": _options(_FIELDS, chosen["of"]),
            "looks": _options(_LOOKS, chosen["look"]),
            "systems": _options({s.code: str(s) for s in systems_of(user)}, chosen["system"]),
            "is_filtered": bool(look or system),
            **_addresses(chosen, page, request.GET.get("after", "")),
        }
        return TemplateResponse(request, "contacts/shared/list.html", context)


def _one_of(kind: Any, value: str) -> Any:
    return kind(value) if value in {one.value for one in kind} else None


def _options(labels: Mapping[Any, str], chosen: str) -> Sequence[Option]:
    return [Option(str(value), label, str(value) == chosen) for value, label in labels.items()]


def _addresses(chosen: Mapping[str, str], page: LinesPage, after: str) -> dict[str, str]:
    asked = {name: value for name, value in chosen.items() if value}
    return {
        "first_address": f"?{urlencode(asked)}" if after else "",
        "next_address": f"?{urlencode({**asked, 'after': page.after})}" if page.after else "",
    }

"""The screen “Why not?”: two Contacts side by side, what keeps them apart, and what would join them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.http import urlencode

from contacts.admin.sent_ids import sent_id, sent_text
from contacts.admin_access import organisation_of
from contacts.contact_page.page import what_is_shown
from contacts.contact_page.parts import Shown
from contacts.contact_page.why_not import in_words, side_by_side
from contacts.models import Contact
from contacts.services.golden import golden_of
from contacts.services.group_requests import WHY_NOT, may_group
from contacts.services.grouping_bars import bars_among
from contacts.services.why_not import CannotCompare, why_not

if TYPE_CHECKING:
    from django.contrib.auth.models import User

SIDES = ("left", "right")
MOST_FOUND = 8


@dataclass(frozen=True)
class Found:
    """A Contact that a picker found; `address` chooses it."""

    contact: Contact
    name: str
    email: str
    systems: Sequence[Any]
    address: str


@dataclass(frozen=True)
class Picker:
    """One of the two places: who is chosen, or what was searched and found. `other`: the chosen other one."""

    side: str
    title: str
    other_side: str
    other: int | None
    shown: Shown | None
    text: str
    found: Sequence[Found]
    is_first_blank: bool

    @property
    def name(self) -> str:
        golden = self.shown.golden if self.shown else {}
        return " ".join(str(golden[f].value) for f in ("first_name", "last_name") if f in golden)


class WhyNotScreen:
    """What ContactAdmin needs to offer the screen."""

    def get_urls(self) -> list[URLPattern]:
        admin: Any = self
        view = admin.admin_site.admin_view(self.why_not_view)
        return [path("why-not/", view, name="contacts_contact_why_not"), *super().get_urls()]  # type: ignore[misc]

    def why_not_view(self, request: HttpRequest) -> HttpResponse:
        """Only shows. 404, with the pickers, where one may not be seen, as for a number that nobody has."""
        admin: Any = self
        if not admin.has_view_permission(request) or request.method not in ("GET", "HEAD"):
            raise PermissionDenied
        chosen = {side: _chosen(request, side) for side in SIDES}
        pickers = [_picker(request, side, chosen) for side in SIDES]
        is_missing = any(request.GET.get(side) and chosen[side] is None for side in SIDES)
        context = {
            **admin.admin_site.each_context(request),
            "opts": admin.opts,
            "is_fullwidth": "1",
            "title": "Why not?",
            "crumbs": [("Contacts", reverse("admin:contacts_contact_changelist")), ("Why not?", "")],
            "pickers": pickers,
            **_answer(request, pickers),
        }
        if is_missing:
            context["refusal"] = "There is no such contact among those you may see."
        status = 404 if is_missing else 200
        return TemplateResponse(request, "contacts/why_not/page.html", context, status=status)


def _chosen(request: HttpRequest, side: str) -> Contact | None:
    """Whom the address names; None for nobody, and for whom the user may not see."""
    asked = sent_id(request.GET.get(side, ""))
    return Contact.objects.visible_to(request.user).filter(pk=asked).first() if asked else None


def _picker(request: HttpRequest, side: str, chosen: dict[str, Contact | None]) -> Picker:
    contact = chosen[side]
    other_side = "right" if side == "left" else "left"
    other = chosen[other_side]
    text = sent_text(request.GET.get(f"find_{side}", ""), 200)
    return Picker(
        side=side,
        title="One Contact" if side == "left" else "The other",
        other_side=other_side,
        other=other.pk if other else None,
        shown=what_is_shown(contact, request, now=timezone.now()) if contact else None,
        text=text,
        found=_found(request, side, text, chosen) if text else [],
        is_first_blank=contact is None and (side == "left" or chosen["left"] is not None),
    )


def _found(request: HttpRequest, side: str, text: str, chosen: dict[str, Contact | None]) -> list[Found]:
    """The first few that the words find, whoever has the text for a GroupID or System Ref before them."""
    user = cast("User", request.user)
    taken = [contact.pk for contact in chosen.values() if contact is not None]
    visible = Contact.objects.visible_to(user).exclude(pk__in=taken)
    country = organisation_of(request).default_country
    exact = visible.exactly(text, user).order_by("-pk")[:MOST_FOUND]
    others = visible.search(text, user, default_country=country).order_by("-pk")[:MOST_FOUND]
    ids = list(dict.fromkeys([contact.pk for contact in (*exact, *others)]))[:MOST_FOUND]
    rows = Contact.objects.load_visible_refs([Contact(pk=pk) for pk in ids], user)
    return [_as_found(contact, side, chosen) for contact in rows]


def _as_found(contact: Any, side: str, chosen: dict[str, Contact | None]) -> Found:
    golden = golden_of(contact.visible_mappings, contact.pins.all())
    named = {other: one.pk for other, one in chosen.items() if one is not None and other != side}
    refs = [mapping.system_ref for mapping in contact.visible_mappings]
    return Found(
        contact=contact,
        name=" ".join(str(golden[f].value) for f in ("first_name", "last_name") if f in golden),
        email=str(golden["email"].value) if "email" in golden else "",
        systems=list({ref.system_id: ref.system for ref in refs}.values()),
        address=f"?{urlencode({**named, side: contact.pk})}",
    )


def _answer(request: HttpRequest, pickers: Sequence[Picker]) -> dict[str, Any]:
    left, right = (picker.shown for picker in pickers)
    if left is None or right is None:
        return {"answer": None}
    user = cast("User", request.user)
    shown: dict[str, Any] = {"lines": side_by_side(left, right)}
    try:
        shown["answer"] = in_words(why_not(left.contact, right.contact, user=user))
    except CannotCompare as refusal:
        return {"answer": None, "refusal": str(refusal)}
    return shown | {
        "may_group": may_group(user),
        "bars": bars_among([*left.refs.values(), *right.refs.values()]),
        "why_not_group": WHY_NOT,
        "group_address": _address("contact_group", left, **{"with": right.contact.pk}),
        "review_address": _address("reviewanswer_changelist", left=left.contact.pk, right=right.contact.pk)
        if user.has_perm("contacts.view_reviewanswer")
        else "",
    }


def _address(screen: str, contact: Shown | None = None, **asked: int) -> str:
    args = [contact.contact.pk] if contact else []
    return f"{reverse(f'admin:contacts_{screen}', args=args)}?{urlencode(asked)}"

"""The sidebar: the admin's sections in order, with the pages that the user may open."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import NoReverseMatch, reverse

from kore_site.work_waiting import work_waiting


@dataclass(frozen=True)
class Entry:
    """One line of the sidebar: the model whose admin decides who gets it, and where it leads.

    A page that is no model's has `url`, the name of its address, and `needs`, the permission that opens it.
    """

    title: str
    icon: str
    model: str = ""
    page: str = "changelist"
    url: str = ""
    needs: str = ""


SEES_PEOPLE = "contacts.view_contact"
GROUPING = "Grouping"

SECTIONS: Sequence[tuple[str, Sequence[Entry]]] = (
    (
        "People",
        (
            Entry("Contacts", "person", "contacts.contact"),
            Entry("System Refs", "badge", "contacts.systemref"),
            Entry("Add contact", "person_add", "contacts.contact", page="add"),
            Entry("Shared values", "family_home", url="admin:contacts_contact_shared", needs=SEES_PEOPLE),
        ),
    ),
    (
        GROUPING,
        (
            Entry("Requests", "call_merge", "contacts.grouprequest"),
            Entry("Review queue", "compare", "contacts.reviewanswer"),
            Entry("Changes of groups", "history", "contacts.groupchange"),
            Entry("Do-not-group rules", "block", "contacts.groupdecision"),
            Entry("Cases", "support", "contacts.case"),
        ),
    ),
    (
        "TDM",
        (
            Entry("Find a fan", "person_search", url="tdm:find", needs=SEES_PEOPLE),
            Entry("Conflicts", "alt_route", url="tdm:conflicts", needs="contacts.view_heldvalue"),
            Entry("Write-backs", "outbox", url="tdm:write_backs", needs="ticketing.view_writeback"),
        ),
    ),
    (
        "Ticketing",
        (
            Entry("Ticket systems", "confirmation_number", "contacts.ticketsystem"),
            Entry("Connections", "cable", "ticketing.sourceconnection"),
            Entry("Imports", "upload_file", "contacts.job"),
            Entry("Matching rules", "rule", "contacts.ruleset"),
            Entry("Model versions", "balance", "contacts.modelversion"),
            Entry("Primary rules", "low_priority", "contacts.primaryrulelist"),
            Entry("Purchases", "receipt_long", "ticketing.purchase"),
            Entry("Reports", "bar_chart", url="reports", needs="ticketing.view_purchase"),
        ),
    ),
    (
        "Night",
        (
            Entry("Nights", "bedtime", "sync.nightrun"),
            Entry("Tonight's plan", "event_upcoming", "sync.nightplan"),
            Entry("Schedule", "schedule", "django_q.schedule"),
        ),
    ),
    (
        "Settings",
        (
            Entry("Organisation", "tune", "contacts.organisation"),
            Entry("Business units", "domain", "contacts.businessunit"),
            Entry("Ticket System User Permission", "key", "contacts.rightsrecord"),
            Entry("Users", "manage_accounts", "auth.user"),
            Entry("Groups", "groups", "auth.group"),
            Entry("Background tasks", "task_alt", "django_q.success"),
        ),
    ),
)

# Pages whose lists have no entry of their own, and the entry behind which they stand.
BEHIND = {"ticketing.pullrun": "ticketing.sourceconnection"}

# The three lists of django-q2 stand behind one entry of the sidebar, as tabs of one another.
BACKGROUND_TASKS = (
    Entry("Done", "task_alt", "django_q.success"),
    Entry("Failed", "error", "django_q.failure"),
    Entry("Waiting", "hourglass", "django_q.ormq"),
)


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """The sections with the entries that this user may open; a section without any is left out.

    Each admin is asked itself, so that the sidebar cannot promise a page that then refuses.
    """
    here = _entry_of_page(request.path)
    _count_what_waits(request, here)
    sections: list[dict[str, Any]] = [{"title": "", "items": [_overview(request)]}]
    for title, entries in SECTIONS:
        items = [_item(request, entry, active=entry == here) for entry in entries if may_open(request, entry)]
        if items:
            sections.append({"title": title, "items": items})
    return sections


def tabs(request: HttpRequest) -> list[dict[str, Any]]:
    """The tabs over the lists of background tasks."""
    entries = [entry for entry in BACKGROUND_TASKS if may_open(request, entry)]
    return [
        {
            "models": [entry.model for entry in entries],
            "items": [{"title": entry.title, "link": _address(entry)} for entry in entries],
        }
    ]


def may_open(request: HttpRequest, entry: Entry) -> bool:
    """Whether the page exists and its own admin, or the permission that it needs, lets this user in."""
    if entry.url:
        return bool(_address(entry)) and request.user.has_perm(entry.needs)
    found = _registered().get(entry.model)
    if found is None:
        return False
    asked = found.has_add_permission if entry.page == "add" else found.has_view_permission
    return asked(request)


def kore_css(request: HttpRequest) -> str:
    """Address of the general look."""
    return static("kore/kore.css")


def keyboard_js(request: HttpRequest) -> str:
    """The address of the script behind the keyboard."""
    return static("kore/keyboard.js")


def overview_css(request: HttpRequest) -> str:
    """Address of the look of the overview, the nights and the settings."""
    return static("kore/overview.css")


def connections_css(request: HttpRequest) -> str:
    """Address of the look of connections and their pulls."""
    return static("kore/connections.css")


def favicon(request: HttpRequest) -> str:
    """Address of the mark that a browser shows on its tab."""
    return static("kore/favicon.svg")


def tdm_css(request: HttpRequest) -> str:
    """Address of the look of the Ticketing Data Manager."""
    return static("kore/tdm.css")


def tdm_js(request: HttpRequest) -> str:
    """Address of what keeps a form of the Ticketing Data Manager from being lost."""
    return static("kore/tdm.js")


def _entry_of_page(path: str) -> Entry | None:
    """The entry whose address covers the page; the longest, since "add" stands below its list."""
    known = _registered()
    offered = [entry for _title, entries in SECTIONS for entry in entries]
    entries = [entry for entry in offered if entry.model in known or (entry.url and _address(entry))]
    covering = [entry for entry in entries if path.startswith(_address(entry))]
    if any(tab.model in known and path.startswith(_address(tab)) for tab in BACKGROUND_TASKS):
        return next(entry for entry in entries if entry.model == BACKGROUND_TASKS[0].model)
    for model, entry_model in BEHIND.items():
        if model in known and path.startswith(_address(Entry("", "", model))):
            return next((entry for entry in entries if entry.model == entry_model), None)
    return max(covering, key=lambda entry: len(_address(entry)), default=None)


def _overview(request: HttpRequest) -> dict[str, Any]:
    address = reverse("admin:index")
    return {
        "title": "Overview",
        "icon": "space_dashboard",
        "link": address,
        "active": request.path == address,
    }


def _count_what_waits(request: HttpRequest, here: Entry | None) -> None:
    """Numbers beside the pages of grouping; counted on these pages and the overview alone."""
    of_grouping = next(entries for title, entries in SECTIONS if title == GROUPING)
    if here not in of_grouping and request.path != reverse("admin:index"):
        return
    if (work := work_waiting(request)) is not None:
        request.counts_of_pages = work.counts  # type: ignore[attr-defined]


def _item(request: HttpRequest, entry: Entry, *, active: bool) -> dict[str, Any]:
    counts: Mapping[str, int | str] = getattr(request, "counts_of_pages", {})
    count = counts.get(entry.url or entry.model)
    item = {"title": entry.title, "icon": entry.icon, "link": _address(entry), "active": active}
    badge = {"badge": count, "badge_variant": "warning"} if count and entry.page != "add" else {}
    return item | badge


def _registered() -> dict[str, admin.ModelAdmin]:
    return {model._meta.label_lower: page for model, page in admin.site._registry.items()}


def _address(entry: Entry) -> str:
    """Where the entry leads; empty where this installation has no such page."""
    if not entry.url:
        return reverse(f"admin:{entry.model.replace('.', '_')}_{entry.page}")
    try:
        return reverse(entry.url)
    except NoReverseMatch:
        return ""

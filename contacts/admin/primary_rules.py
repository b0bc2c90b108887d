"""Primary rules: the ordered list, what it would change before it is saved, and applying it by day."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django_q.tasks import async_task
from unfold.admin import ModelAdmin

from contacts.admin.primary_rule_draft import carry_out, in_words, lines, read_draft, same
from contacts.admin_access import organisation_of
from contacts.models import PrimaryRule, PrimaryRuleList, PrimaryRun, TicketSystem
from contacts.permissions import sees_every_system
from contacts.primary_words import names_in_order, why_preferred
from contacts.services.primary_order import GivenRule
from contacts.services.primary_rule_list import (
    CannotSaveRules,
    MayNotSaveRules,
    check_rules,
    may_steer_primary_rules,
    save_primary_rules,
    versions,
)
from contacts.services.primary_rules import WouldChange, rules_in_force, would_change
from contacts.services.primary_runs import (
    CannotFileRun,
    RunState,
    file_primary_run,
    latest_run,
    state_of,
)

TONES = {
    RunState.WAITING: "busy",
    RunState.RUNNING: "busy",
    RunState.CUT_OFF: "warn",
    RunState.DONE: "good",
}
STOP_POLLING = 286  # htmx's word for "stop asking"


@admin.register(PrimaryRuleList)
class PrimaryRuleListAdmin(ModelAdmin):
    """Who steers the systems reads the rules; who may see every system's records too may change them.

    What rules would change is counted over all systems, so nobody else hears a count or an example.
    """

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("edit/", view(self.edit_view), name="contacts_primaryrulelist_edit"),
            path("save/", view(self.save_view), name="contacts_primaryrulelist_save"),
            path("now/", view(self.now_view), name="contacts_primaryrulelist_now"),
            path("progress/", self.progress_view, name="contacts_primaryrulelist_progress"),
            *super().get_urls(),
        ]

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """The rules name systems: for those who see all of them, or steer them and so see their settings."""
        user = request.user
        return user.has_perm("contacts.view_primaryrulelist") and (
            user.has_perm("contacts.change_ticketsystem") or sees_every_system(user)
        )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        in_force = rules_in_force()
        return self._editor(request, in_force.rules, based_on=in_force.number)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """A version has no page of its own: all stand on the list."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return HttpResponseRedirect(reverse("admin:contacts_primaryrulelist_changelist"))

    def edit_view(self, request: HttpRequest) -> HttpResponse:
        """The draft after a click, or what it would change; nothing is saved."""
        self._must_steer(request)
        if request.method != "POST":
            return HttpResponseRedirect(reverse("admin:contacts_primaryrulelist_changelist"))
        draft, based_on = read_draft(request.POST), _number(request)
        order = request.POST.get("do", "")
        if order != "try":
            draft, here = carry_out(draft, order)
            return self._editor(request, draft, based_on=based_on, here=here if order else None)
        try:
            check_rules(draft)
        except CannotSaveRules as refusal:
            return self._refused(request, draft, refusal, based_on=based_on)
        return self._preview(request, draft, based_on=based_on)

    def save_view(self, request: HttpRequest) -> HttpResponse:
        """Put the draft in force; on wish apply it at once, in the background."""
        self._must_steer(request)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        draft = read_draft(request.POST)
        try:
            version = save_primary_rules(
                draft, based_on=_number(request), by=request.user, now=timezone.now()
            )
        except MayNotSaveRules as refusal:
            raise PermissionDenied from refusal
        except CannotSaveRules as refusal:
            return self._refused(request, draft, refusal, based_on=_number(request))
        if version is not None:
            self.message_user(request, f"Version {version.number} is in force.", messages.SUCCESS)
        if "now" in request.POST:
            self._file(request)
        return HttpResponseRedirect(reverse("admin:contacts_primaryrulelist_changelist"))

    def now_view(self, request: HttpRequest) -> HttpResponse:
        """What the rules in force would change at this moment; on POST apply them in the background."""
        self._must_steer(request)
        if request.method == "POST":
            self._file(request)
            return HttpResponseRedirect(reverse("admin:contacts_primaryrulelist_changelist"))
        in_force = rules_in_force()
        return self._preview(request, in_force.rules, based_on=in_force.number)

    def progress_view(self, request: HttpRequest) -> HttpResponse:
        """How the latest run stands. Refuses with 403: a redirect would put the sign-in page in its place."""
        if not (self.admin_site.has_permission(request) and self._may_steer(request)):
            return HttpResponse(status=403)
        run = _run()
        going_on = run is not None and run["is_going_on"]
        return TemplateResponse(
            request,
            "contacts/primary_rules/run.html",
            {"run": run},
            status=200 if going_on else STOP_POLLING,
        )

    def _editor(
        self,
        request: HttpRequest,
        draft: Sequence[GivenRule],
        *,
        based_on: int,
        here: int | None = None,
        wrong: tuple[int | None, str] = (None, ""),
        status: int = 200,
    ) -> HttpResponse:
        systems = _systems()
        names = {system.pk: system.name for system in systems}
        in_force = rules_in_force()
        context = {
            **self._context(request, "Primary rules"),
            "lines": lines(draft, systems, wrong=wrong),
            "refusal": wrong[1] if wrong[0] is None else "",
            "systems": systems,
            "kinds": PrimaryRule.Kind.choices,
            "based_on": based_on,
            "here": here,
            "is_draft": not same(draft, in_force.rules),
            "has_active": bool(in_force.active),
            "may_steer": self._may_steer(request),
            "holds_right": request.user.has_perm("contacts.add_primaryrulelist"),
            "version": in_force.version,
            "versions": [(version, in_words(rules, names)) for version, rules in versions()],
            "run": _run() if self._may_steer(request) else None,
        }
        return TemplateResponse(request, "contacts/primary_rules/editor.html", context, status=status)

    def _preview(self, request: HttpRequest, draft: Sequence[GivenRule], *, based_on: int) -> HttpResponse:
        systems = _systems()
        names = {system.pk: system.name for system in systems}
        found = would_change(draft)
        context = {
            **self._context(request, "What would change"),
            "lines": lines(draft, systems),
            "based_on": based_on,
            "is_draft": not same(draft, rules_in_force().rules),
            "found": found,
            "by_rule": _by_rule(draft, found, names),
            "examples": _examples(draft, found, names, organisation_of(request).currency),
            "organisation": organisation_of(request),
        }
        return TemplateResponse(request, "contacts/primary_rules/preview.html", context)

    def _refused(
        self, request: HttpRequest, draft: Sequence[GivenRule], refusal: CannotSaveRules, *, based_on: int
    ) -> HttpResponse:
        return self._editor(
            request, draft, based_on=based_on, wrong=(refusal.place, str(refusal)), status=409
        )

    def _file(self, request: HttpRequest) -> None:
        """File a run and give it to the cluster once it is committed."""
        try:
            run = file_primary_run(by=request.user, now=timezone.now())
        except CannotFileRun as refusal:
            self.message_user(request, str(refusal), messages.WARNING)
            return
        name = f"apply_primary_rules {run.pk}"
        transaction.on_commit(
            lambda: async_task("contacts.tasks.apply_primary_rules", run_id=run.pk, task_name=name)
        )
        self.message_user(request, "Filed: the rules are applied as soon as the cluster takes them.")

    def _context(self, request: HttpRequest, title: str) -> dict[str, Any]:
        return {**self.admin_site.each_context(request), "opts": self.opts, "title": title}

    def _may_steer(self, request: HttpRequest) -> bool:
        return may_steer_primary_rules(request.user)

    def _must_steer(self, request: HttpRequest) -> None:
        if not self._may_steer(request):
            raise PermissionDenied


def _number(request: HttpRequest) -> int:
    given = request.POST.get("based_on", "")
    return int(given) if given.isdecimal() and len(given) < 10 else 0


def _systems() -> list[TicketSystem]:
    return list(TicketSystem.objects.order_by("rank", "code"))


def _run() -> dict[str, Any] | None:
    run: PrimaryRun | None = latest_run()
    if run is None:
        return None
    state = state_of(run)
    return {
        "row": run,
        "state": state,
        "tone": TONES[state],
        "is_going_on": state in (RunState.WAITING, RunState.RUNNING),
    }


def _by_rule(draft: Sequence[GivenRule], found: WouldChange, names: dict[int, str]) -> list[dict[str, Any]]:
    return [
        {
            "words": words,
            "is_active": is_active,
            "changed": found.by_rule.get(place, 0),
            "kept": found.kept_by_rule.get(place, 0),
        }
        for place, (words, is_active) in enumerate(in_words(draft, names))
    ]


def _examples(
    draft: Sequence[GivenRule], found: WouldChange, names: dict[int, str], currency: str
) -> list[dict[str, Any]]:
    return [
        {
            "contact": example.contact,
            "was": example.was,
            "now": example.now,
            "why": why_preferred(
                draft[example.rule].kind,
                names_in_order(draft[example.rule].systems, names),
                was=example.was,
                now=example.now,
                currency=currency,
            ),
        }
        for example in found.examples
    ]

"""Matching rules: their editor, the dry run before saving, and every version that was."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django_q.tasks import async_task
from unfold.admin import ModelAdmin

from contacts.admin.matching_rule_examples import shown_examples
from contacts.admin.matching_rule_forms import WITHOUT_ALIKE, RuleEditor
from contacts.admin_access import organisation_of
from contacts.grouping.rule_words import criterion_in_words, doubts, from_json
from contacts.models import RuleSet, RuleTrial
from contacts.services.matching_rules import (
    BadRules,
    CannotSaveRules,
    MayNotSaveRules,
    NothingChanged,
    SavedSince,
    changes,
    check_may_save,
    newest_version,
    save_rules,
    version,
)
from contacts.services.rule_checks import THRESHOLDS
from contacts.services.rule_trials import UNDER_WAY, file_trial, save_trial, waits_for_grouping
from contacts.services.what_if import STEPS

VERSIONS_PER_PAGE = 20
TRIALS_SHOWN = 5
HOME = "admin:contacts_ruleset_changelist"
TONES = {
    RuleTrial.State.WAITING: "off",
    RuleTrial.State.RUNNING: "busy",
    RuleTrial.State.DONE: "good",
    RuleTrial.State.FAILED: "bad",
}


@admin.register(RuleSet)
class RuleSetAdmin(ModelAdmin):
    """The list is the editor of the rules in force. A version is never edited: saving makes another.

    To read them takes `view_ruleset`; to try and save them `add_ruleset` and the right to see every system,
    because the rules decide about the records of all of them.
    """

    def has_change_permission(self, request: HttpRequest, obj: RuleSet | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: RuleSet | None = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("", view(self.editor_view), name="contacts_ruleset_changelist"),
            path("add/", view(self.add_view), name="contacts_ruleset_add"),
            path("versions/", view(self.versions_view), name="contacts_ruleset_versions"),
            path("trials/<int:trial_id>/", view(self.trial_view), name="contacts_ruleset_trial"),
            path(
                "trials/<int:trial_id>/progress/",
                self.progress_view,
                name="contacts_ruleset_trial_progress",
            ),
        ]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """A version is added by editing the one in force."""
        self._check_may_see(request)
        return redirect(HOME)

    def editor_view(self, request: HttpRequest) -> HttpResponse:
        """The rules in force to be edited, or a version or dry run taken up; a POST tries or saves them."""
        self._check_may_see(request)
        standing = newest_version()
        may_save = self._may_save(request)
        if request.method == "POST":
            check_allowed(request)
            editor = RuleEditor(request.POST, based_on=_number(request.POST.get("based_on")))
            made = self._take(request, editor) if editor.is_valid() else None
            if made is not None:
                return made
            messages.error(request, "Not tried and not saved yet: see below what stands in the way.")
        else:
            editor = self._filled_editor(request, standing)
        context = {
            "title": "Matching rules",
            "standing": standing,
            "editor": editor,
            "taken_up": _taken_up(request, standing),
            "may_save": may_save,
            "without_alike": WITHOUT_ALIKE,
            "rules": _in_words(standing.rules),
            "thresholds": [(label, standing.score.get(name)) for name, label in THRESHOLDS.items()],
            "trials": self._trials(request).order_by("-pk")[:TRIALS_SHOWN],
            "tab": "rules",
        }
        return self._page(request, "contacts/matching_rules/editor.html", context)

    def versions_view(self, request: HttpRequest) -> HttpResponse:
        """Every version with who saved it, when, why, and what it changed."""
        self._check_may_see(request)
        standing = newest_version()
        kept = RuleSet.objects.select_related("author").order_by("-number")
        page = Paginator(kept, VERSIONS_PER_PAGE).get_page(request.GET.get("p"))
        shown = list(page) or [standing]
        before = {one.number: one for one in shown}
        oldest = shown[-1].number - 1
        before |= {one.number: one for one in RuleSet.objects.filter(number=oldest)}
        versions = [
            {
                "made": one,
                "changes": changes(before[one.number - 1], one.rules, one.score)
                if one.number - 1 in before
                else [],
                "rules": _in_words(one.rules),
            }
            for one in shown
        ]
        context = {
            "title": "Versions of the matching rules",
            "crumbs": [("Matching rules", reverse(HOME)), ("Versions", "")],
            "versions": versions,
            "page": page,
            "may_save": self._may_save(request),
            "tab": "versions",
        }
        return self._page(request, "contacts/matching_rules/versions.html", context)

    def trial_view(self, request: HttpRequest, trial_id: int) -> HttpResponse:
        """A dry run: how far it is, then what would change; a POST saves its rules."""
        self._check_may_see(request)
        trial = self._trial(request, trial_id)
        if request.method == "POST":
            check_allowed(request)
            if (saved := self._save_trial(request, trial)) is not None:
                return saved
        standing = newest_version()
        base = _base_of(trial, standing)
        titles = {rule["name"]: rule["title"] for rule in (*base.rules, *trial.rules)}
        examples = shown_examples(
            trial, by=request.user, titles=titles, country=organisation_of(request).default_country
        )
        context = {
            "title": f"Dry run {trial.pk}",
            "crumbs": [("Matching rules", reverse(HOME)), (f"Dry run {trial.pk}", "")],
            **self._progress_context(trial),
            "may_save": self._may_save(request),
            "changes": changes(base, trial.rules, trial.score),
            "base": base,
            "doubts": [(rule.title, doubt) for rule in _parsed(trial.rules) for doubt in doubts(rule)],
            "examples": examples,
            "newer": standing if standing.number != trial.based_on else None,
            "note": request.POST.get("note", ""),
        }
        return self._page(request, "contacts/matching_rules/trial.html", context)

    def progress_view(self, request: HttpRequest, trial_id: int) -> HttpResponse:
        """How far the dry run is, as a part of its page. Refuses with 403: a redirect would nest pages."""
        if not (self.admin_site.has_permission(request) and self.has_view_permission(request)):
            return HttpResponse(status=403)
        trial = self._trial(request, trial_id)
        response = TemplateResponse(
            request, "contacts/matching_rules/progress.html", self._progress_context(trial)
        )
        if trial.state not in UNDER_WAY:
            response["HX-Refresh"] = "true"
        return response

    def _filled_editor(self, request: HttpRequest, standing: RuleSet) -> RuleEditor:
        """The editor with the rules in force, those of ?trial= or those of ?version=."""
        source: Any = standing
        if "trial" in request.GET:
            source = self._trial(request, _number(request.GET["trial"]))
        elif "version" in request.GET:
            try:
                source = version(_number(request.GET["version"]))
            except RuleSet.DoesNotExist as missing:
                raise Http404 from missing
        return RuleEditor(rules=source.rules, score=source.score, based_on=standing.number)

    def _take(self, request: HttpRequest, editor: RuleEditor) -> HttpResponse | None:
        """Try or save what was edited; None where the page has to be shown again with what is wrong."""
        rules, score, now = editor.kept_rules(), editor.kept_score(), timezone.now()
        given: dict[str, Any] = {"based_on": editor.based_on, "by": request.user, "now": now}
        try:
            if "save" in request.POST:
                if "untried" not in request.POST:
                    editor.problems.append("Try the rules first, or tick that you save them untried.")
                    return None
                saved = save_rules(rules, score, **given, note=request.POST.get("note", ""))
                return self._say_saved(request, saved)
            trial = file_trial(rules, score, **given)
        except BadRules as refusal:
            editor.point_out(refusal.problems)
        except SavedSince as refusal:
            editor.based_on = refusal.newest.number
            editor.problems.append(f"{refusal} {_their_changes(refusal.newest)}")
            editor.problems.append(
                "Yours stand below as you left them; trying or saving them now puts them over it."
            )
        except NothingChanged as refusal:
            editor.problems.append(str(refusal))
        except MayNotSaveRules as refusal:
            raise PermissionDenied from refusal
        else:
            _enqueue(trial)
            return redirect("admin:contacts_ruleset_trial", trial.pk)
        return None

    def _save_trial(self, request: HttpRequest, trial: RuleTrial) -> HttpResponse | None:
        try:
            saved = save_trial(trial, by=request.user, now=timezone.now(), note=request.POST.get("note", ""))
        except MayNotSaveRules as refusal:
            raise PermissionDenied from refusal
        except CannotSaveRules as refusal:
            messages.error(request, str(refusal))
            return None
        return self._say_saved(request, saved)

    def _say_saved(self, request: HttpRequest, saved: RuleSet) -> HttpResponse:
        messages.success(
            request, f"Version {saved.number} is in force. The next night groups every record by it."
        )
        return redirect(HOME)

    def _trials(self, request: HttpRequest) -> Any:
        return RuleTrial.objects.visible_to(request.user).select_related("by")

    def _trial(self, request: HttpRequest, trial_id: int) -> RuleTrial:
        return get_object_or_404(self._trials(request), pk=trial_id)

    def _progress_context(self, trial: RuleTrial) -> dict[str, Any]:
        is_running = trial.state == RuleTrial.State.RUNNING
        return {
            "trial": trial,
            "tone": TONES[RuleTrial.State(trial.state)],
            "is_under_way": trial.state in UNDER_WAY,
            "waits_for_grouping": trial.state == RuleTrial.State.WAITING and waits_for_grouping(),
            "steps": len(STEPS),
            "doing": STEPS[min(trial.step, len(STEPS) - 1)] if is_running else "",
            "progress_address": reverse("admin:contacts_ruleset_trial_progress", args=[trial.pk]),
        }

    def _check_may_see(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):
            raise PermissionDenied

    def _may_save(self, request: HttpRequest) -> bool:
        try:
            check_may_save(request.user)
        except MayNotSaveRules:
            return False
        return True

    def _page(self, request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
        common = {**self.admin_site.each_context(request), "opts": self.opts, "model_admin": self}
        return TemplateResponse(request, template, {**common, **context})


def check_allowed(request: HttpRequest) -> None:
    """403 for who may read the rules and not change them."""
    try:
        check_may_save(request.user)
    except MayNotSaveRules as refusal:
        raise PermissionDenied from refusal


def _enqueue(trial: RuleTrial) -> None:
    transaction.on_commit(
        lambda: async_task("contacts.tasks.try_rules", trial_id=trial.pk, task_name=f"try_rules {trial.pk}")
    )


def _taken_up(request: HttpRequest, standing: RuleSet) -> str:
    """Whose rules the editor shows, where they are not those in force; blank once they were edited."""
    if request.method == "POST":
        return ""
    if "trial" in request.GET:
        return f"dry run {_number(request.GET['trial'])}"
    number = _number(request.GET.get("version"))
    return f"version {number}" if number and number != standing.number else ""


def _number(said: Any) -> int:
    return int(said) if str(said).isdecimal() and len(str(said)) < 10 else 0


def _parsed(rules: Any) -> list[Any]:
    return [from_json(rule) for rule in rules]


def _in_words(rules: Any) -> list[dict[str, Any]]:
    return [
        {"rule": rule, "criteria": [criterion_in_words(criterion) for criterion in rule.criteria]}
        for rule in _parsed(rules)
    ]


def _base_of(trial: RuleTrial, standing: RuleSet) -> RuleSet:
    """The version that the dry run was made from."""
    if trial.based_on == standing.number:
        return standing
    return RuleSet.objects.get(number=trial.based_on)


def _their_changes(newest: RuleSet) -> str:
    said = changes(version(newest.number - 1), newest.rules, newest.score)
    return f"It changed: {' '.join(said)}"

"""Model versions: what the score goes by, what a proposal would change, and putting one in force."""

from dataclasses import dataclass
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import Count, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST
from django_q.tasks import async_task
from unfold.admin import ModelAdmin

from contacts.admin.matching_rule_examples import shown_examples
from contacts.admin_access import organisation_of
from contacts.grouping.estimate import CALLED
from contacts.model_words import weight_lines
from contacts.models import ModelEstimate, ModelVersion
from contacts.permissions import sees_every_system
from contacts.services.estimate import STEPS, UNDER_WAY, file_estimate, waits_for_grouping
from contacts.services.grouping_model import (
    CannotActivate,
    MayNotActivate,
    activate_version,
    check_may_activate,
    waiting_version,
)
from contacts.services.matching_rules import newest_version

VERSIONS_PER_PAGE = 20
HOME = "admin:contacts_modelversion_changelist"
TONES = {
    ModelEstimate.State.WAITING: "off",
    ModelEstimate.State.RUNNING: "busy",
    ModelEstimate.State.DONE: "good",
    ModelEstimate.State.FAILED: "bad",
}


@dataclass(frozen=True)
class _Examples:
    """The part of a version's differences that is shown side by side."""

    examples: list[dict[str, Any]]


@admin.register(ModelVersion)
class ModelVersionAdmin(ModelAdmin):
    """Versions are never edited: an estimate makes another, and one of them is in force.

    To read them takes `view_modelversion`; to estimate and to put one in force `change_modelversion` and the
    right to see every system, because the model decides about the records of all of them.
    """

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ModelVersion | None = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        post = require_POST
        return [
            path("", view(self.list_view), name="contacts_modelversion_changelist"),
            path("estimate/", view(post(self.estimate_view)), name="contacts_modelversion_estimate"),
            path("progress/<int:estimate_id>/", self.progress_view, name="contacts_modelversion_progress"),
            path("<int:number>/", view(self.version_view), name="contacts_modelversion_version"),
            path(
                "<int:number>/activate/",
                view(post(self.activate_view)),
                name="contacts_modelversion_activate",
            ),
        ]

    def list_view(self, request: HttpRequest) -> HttpResponse:
        """Every version that is kept, the newest first, and the last estimate."""
        self._check_may_see(request)
        kept = ModelVersion.objects.select_related("by").order_by("-number")
        context = {
            "title": "Model versions",
            "page": Paginator(kept, VERSIONS_PER_PAGE).get_page(request.GET.get("p")),
            "waiting": waiting_version(),
            "may_change": _may_change(request),
            **self._progress_context(
                ModelEstimate.objects.visible_to(request.user)
                .select_related("version")
                .order_by("-pk")
                .first()
            ),
        }
        return self._page(request, "contacts/models/list.html", context)

    def version_view(self, request: HttpRequest, number: int) -> HttpResponse:
        """The weights beside the preset's, what else it knows in counts, and what it would change."""
        self._check_may_see(request)
        version = get_object_or_404(ModelVersion.objects.select_related("by"), number=number)
        sees_all = sees_every_system(request.user)
        titles = {rule["name"]: rule["title"] for rule in newest_version().rules}
        kept = _Examples(version.differences.get("examples", []) if sees_all else [])
        values = version.settings
        context = {
            "title": str(version),
            "crumbs": [("Model versions", reverse(HOME)), (str(version), "")],
            "version": version,
            "waiting": waiting_version(),
            "lines": weight_lines(values.get("weights", {})),
            "values": values,
            "per_million": values.get("partners", 1.4) / max(version.population, 1) * 1_000_000,
            "frequencies": [
                (CALLED[column], count)
                for column, count in version.frequencies.values_list("column")
                .annotate(count=Count("pk"))
                .order_by("column")
            ],
            "bad_keys": [
                (kind.removeprefix("rule_").replace("_", " and "), count, holders)
                for kind, count, holders in version.bad_keys.values_list("kind")
                .annotate(count=Count("pk"), of=Sum("holders"))
                .order_by("kind")
            ],
            "differences": version.differences,
            "sees_all": sees_all,
            "examples": shown_examples(
                kept, by=request.user, titles=titles, country=organisation_of(request).default_country
            ),
            "may_change": _may_change(request),
        }
        return self._page(request, "contacts/models/version.html", context)

    def estimate_view(self, request: HttpRequest) -> HttpResponse:
        """Ask the cluster for an estimate."""
        try:
            asked = file_estimate(by=request.user, now=timezone.now())
        except MayNotActivate as refusal:
            raise PermissionDenied from refusal
        transaction.on_commit(
            lambda: async_task(
                "contacts.tasks.estimate_model", estimate_id=asked.pk, task_name=f"estimate_model {asked.pk}"
            )
        )
        return redirect(HOME)

    def activate_view(self, request: HttpRequest, number: int) -> HttpResponse:
        """Put a version in force."""
        self._check_may_see(request)
        version = get_object_or_404(ModelVersion, number=number)
        try:
            activate_version(version, by=request.user, now=timezone.now())
        except MayNotActivate as refusal:
            raise PermissionDenied from refusal
        except CannotActivate as refusal:
            messages.error(request, str(refusal))
        else:
            messages.success(request, f"{version} is in force. The next night groups every record by it.")
        return redirect("admin:contacts_modelversion_version", number)

    def progress_view(self, request: HttpRequest, estimate_id: int) -> HttpResponse:
        """How far an estimate is, as a part of its page. Refuses with 403: a redirect would nest pages."""
        if not (self.admin_site.has_permission(request) and self.has_view_permission(request)):
            return HttpResponse(status=403)
        asked = get_object_or_404(ModelEstimate.objects.visible_to(request.user), pk=estimate_id)
        response = TemplateResponse(request, "contacts/models/progress.html", self._progress_context(asked))
        if asked.state not in UNDER_WAY:
            response["HX-Refresh"] = "true"
        return response

    def _progress_context(self, asked: ModelEstimate | None) -> dict[str, Any]:
        if asked is None:
            return {"estimate": None, "is_under_way": False}
        return {
            "estimate": asked,
            "tone": TONES[ModelEstimate.State(asked.state)],
            "is_under_way": asked.state in UNDER_WAY,
            "waits_for_grouping": asked.state == ModelEstimate.State.WAITING and waits_for_grouping(),
            "steps": len(STEPS),
            "doing": STEPS[min(asked.step, len(STEPS) - 1)],
            "progress_address": reverse("admin:contacts_modelversion_progress", args=[asked.pk]),
        }

    def _check_may_see(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):
            raise PermissionDenied

    def _page(self, request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
        common = {**self.admin_site.each_context(request), "opts": self.opts, "model_admin": self}
        return TemplateResponse(request, template, {**common, **context})


def _may_change(request: HttpRequest) -> bool:
    try:
        check_may_activate(request.user)
    except MayNotActivate:
        return False
    return True

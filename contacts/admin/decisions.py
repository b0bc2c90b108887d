"""Do-not-group rules and other words of people on pairs: list, lift, take that back, add one by hand."""

from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from contacts.admin.sent_ids import sent_id
from contacts.admin_access import PerSystemAdmin
from contacts.models import GroupDecision, Mapping, SystemRef
from contacts.services.decisions import MayNotDecide
from contacts.services.do_not_group import (
    LONGEST_REASON,
    CannotDecide,
    lift_decisions,
    never_group,
    restore_decisions,
)
from contacts.services.group_requests import WHY_NOT, may_group

if TYPE_CHECKING:
    from django.contrib.auth.models import User

CHANGELIST = "admin:contacts_groupdecision_changelist"
LAST_LIFTED = "decisions_lifted"  # of this session, so that it can be undone
_MOST_REFS = 500  # with one number, over all systems


class StandingFilter(admin.SimpleListFilter):
    title = "stands"
    parameter_name = "stands"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "standing"), ("no", "lifted")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() == "yes":
            return queryset.filter(until=None)
        return queryset.exclude(until=None) if self.value() == "no" else queryset


class DecisionKindFilter(admin.SimpleListFilter):
    """Do-not-group rules alone, unless something else, or any, is asked for."""

    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(GroupDecision.Kind.choices)

    def value(self) -> str | None:
        return self.used_parameters.get("kind", GroupDecision.Kind.NEVER.value)

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(kind=self.value()) if self.value() else queryset


class MineFilter(admin.SimpleListFilter):
    title = "author"
    parameter_name = "author"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("me", "mine")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(author=cast("User", request.user)) if self.value() == "me" else queryset


class RuleForm(forms.Form):
    """Two System Refs, each as its badge shows it, and the reason."""

    left = forms.CharField(max_length=140, label="System Ref")
    right = forms.CharField(max_length=140, label="and System Ref")
    reason = forms.CharField(max_length=LONGEST_REASON, label="because")

    def __init__(self, *args: Any, user: "User", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def clean_left(self) -> SystemRef:
        return self._ref("left")

    def clean_right(self) -> SystemRef:
        return self._ref("right")

    def _ref(self, name: str) -> SystemRef:
        """The one ref that is meant; one that the user may not see is not there."""
        found = refs_called(self.cleaned_data[name], self.user)
        if not found:
            raise forms.ValidationError("No such System Ref. Write it like its badge: MLB 2001.")
        if len(found) > 1:
            named = ", ".join(str(ref) for ref in found[:4])
            raise forms.ValidationError(f"Several have this number: {named}. Write the system's code too.")
        return found[0]


def refs_called(text: str, user: "User") -> list[SystemRef]:
    """The visible refs with this number, or with code and number: "2001", "MLB 2001"."""
    visible = SystemRef.objects.visible_to(user).select_related("system").order_by("system__rank", "pk")
    code, _space, number = text.strip().partition(" ")
    found = list(visible.filter(system__code__iexact=code, system_ref=number.strip())) if number else []
    return found or list(visible.filter(system_ref=text.strip())[:_MOST_REFS])


@admin.register(GroupDecision)
class GroupDecisionAdmin(PerSystemAdmin):
    """Both refs of a pair must be visible; whoever may group lifts a decision, and nobody edits one."""

    list_display = ("pk",)
    list_filter = (StandingFilter, DecisionKindFilter, MineFilter)
    list_select_related = ("left__system", "left__mapping", "right__system", "right__mapping")
    search_fields = ("pk",)  # what the box finds is get_search_results' business
    search_help_text = "System Ref or GroupID"
    row_called, rows_called = "rule", "rules"
    sortable_by = ()
    ordering = ("-pk",)
    change_list_template = "admin/contacts/groupdecision/change_list.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).select_related(*self.list_select_related, "author", "lifted_by")

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[QuerySet, bool]:
        """Decisions about a visible ref that is called so, or that stands under this GroupID."""
        term = search_term.strip()
        if not term:
            return queryset, False
        refs = {ref.pk for ref in refs_called(term, cast("User", request.user))}
        if number := sent_id(term):
            visible = SystemRef.objects.visible_to(request.user)
            of_group = Mapping.objects.filter(contact=number, system_ref__in=visible)
            refs |= set(of_group.values_list("system_ref_id", flat=True)[:_MOST_REFS])
        return queryset.filter(Q(left__in=refs) | Q(right__in=refs)), False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request) and may_group(cast("User", request.user))

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("lift/", view(require_POST(self.lift_view)), name="contacts_groupdecision_lift"),
            path("restore/", view(require_POST(self.restore_view)), name="contacts_groupdecision_restore"),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {
            "title": "Do-not-group rules",
            "crumbs": [("Do-not-group rules", "")],
            "is_fullwidth": "1",
            "may_group": may_group(cast("User", request.user)),
            "why_not": WHY_NOT,
            "lifted": len(request.session.get(LAST_LIFTED, ())),
            "here": request.get_full_path(),
        }
        return super().changelist_view(request, context | (extra_context or {}))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """A decision has no page of its own: all that is known of it stands in the list."""
        if not self.has_view_permission(request) or request.method not in ("GET", "HEAD"):
            raise PermissionDenied
        return redirect(CHANGELIST)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """One rule by hand; what is wrong stands beside its field."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        user = cast("User", request.user)
        form = RuleForm(request.POST or None, user=user, initial=_asked(request))
        if request.method == "POST" and form.is_valid():
            try:
                made = never_group(**form.cleaned_data, by=user, now=timezone.now())
            except MayNotDecide as refusal:
                raise PermissionDenied from refusal
            except CannotDecide as refusal:
                form.add_error(None, str(refusal))
            else:
                self.message_user(
                    request,
                    f"{made.left} and {made.right} never belong together. Where they do now, the coming night"
                    " parts them.",
                    messages.SUCCESS,
                )
                return redirect(CHANGELIST)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Add a do-not-group rule",
            "crumbs": [("Do-not-group rules", reverse(CHANGELIST)), ("Add", "")],
            "form": form,
        }
        return TemplateResponse(request, "contacts/decisions/add.html", context)

    def lift_view(self, request: HttpRequest) -> HttpResponse:
        """Lift the chosen ones, and keep them for a way back."""
        self._must_group(request)
        chosen = self._chosen(request, request.POST.getlist("decision"))
        if not chosen:
            self.message_user(request, "Choose the rules to be lifted first.", messages.WARNING)
            return _back(request)
        lifted = self._carry_out(lift_decisions, chosen, by=request.user, now=timezone.now())
        if lifted:
            request.session[LAST_LIFTED] = lifted
        said = "1 rule is" if len(lifted) == 1 else f"{len(lifted)} rules are"
        self.message_user(
            request,
            f"{said} lifted: from the coming night on the rules of matching decide.",
            messages.SUCCESS,
        )
        return _back(request)

    def restore_view(self, request: HttpRequest) -> HttpResponse:
        """Have stand again what this person lifted last in this session."""
        self._must_group(request)
        chosen = self._chosen(request, request.session.pop(LAST_LIFTED, ()))
        stood = self._carry_out(restore_decisions, chosen, by=request.user)
        if stood:
            said = "1 rule stands" if len(stood) == 1 else f"{len(stood)} rules stand"
            self.message_user(request, f"{said} again.", messages.SUCCESS)
        else:
            self.message_user(request, "There was nothing to undo.", messages.WARNING)
        return _back(request)

    def _must_group(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request) or not may_group(cast("User", request.user)):
            raise PermissionDenied

    def _chosen(self, request: HttpRequest, sent: Any) -> list[GroupDecision]:
        """Those of the decisions sent that the user may see."""
        ids = {sent_id(str(one)) for one in sent}
        return list(self.get_queryset(request).filter(pk__in=ids).order_by("pk"))

    def _carry_out(self, service: Any, chosen: list[GroupDecision], **asked: Any) -> list[int]:
        try:
            return service(chosen, **asked)
        except MayNotDecide as refusal:
            raise PermissionDenied from refusal


def _asked(request: HttpRequest) -> dict[str, str]:
    """What an address fills in beforehand, such as the refs of a contact's page."""
    return {name: request.GET.get(name, "")[:140] for name in ("left", "right", "reason")}


def _back(request: HttpRequest) -> HttpResponse:
    """To the contact from whose page it was done, else to the list as it was filtered."""
    if contact := sent_id(request.POST.get("contact", "")):
        page = reverse("admin:contacts_contact_change", args=[contact])
        return redirect(f"{page}?panel=groupings")
    query = request.POST.get("back", "").partition("?")[2][:500]
    return redirect(reverse(CHANGELIST) + (f"?{query}" if query else ""))

"""Ticket systems and business units: where records come from, and who may see them."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import ValidationError
from django.db.models import Count, Model, Prefetch, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin

from contacts.admin_access import PerSystemAdmin, PerSystemChangeList
from contacts.models import BusinessUnit, SystemRef, TicketSystem
from contacts.permissions import SystemRight, systems_with
from contacts.services.systems import add_business_unit, add_ticket_system, hand_system_code
from contacts.system_rights import right_holders, why_unseen
from contacts.templatetags.kore import system_badge

# Settings that the grouping and the golden values read: a change shows after the next night.
READ_BY_THE_NIGHT = {"is_matched_across": "whether its records join with other systems'", "rank": "its rank"}


class TicketSystemForm(forms.ModelForm):
    """A new system may be of any kind but hand entry, which comes with its business unit."""

    class Meta:
        model = TicketSystem
        fields = (
            "code",
            "name",
            "kind",
            "business_unit",
            "rank",
            "ref_label",
            "is_matched_across",
            "is_isolated",
            "blanks_overwrite",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kind = self.fields.get("kind")
        if isinstance(kind, forms.ChoiceField):
            kinds = [choice for choice in TicketSystem.Kind.choices if choice[0] != TicketSystem.Kind.HAND]
            kind.choices = kinds


class SystemList(PerSystemChangeList):
    """Counts the records of the page's systems at once, of those alone whose records the user may see."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        refs = (
            SystemRef.objects.visible_to(request.user).order_by().values_list("system").annotate(Count("pk"))
        )
        counted = dict(refs)
        visible = systems_with(request.user, SystemRight.VIEW)
        self.result_list: list[Any] = list(self.result_list)
        for system in self.result_list:
            system.ref_count = counted.get(system.pk, 0) if system.pk in visible else None


@admin.register(TicketSystem)
class TicketSystemAdmin(PerSystemAdmin):
    """Who sees which systems here.

    Those who steer (they hold contacts.change_ticketsystem: managers and administrators) see every system
    with its settings, because somebody must make, rank and isolate it. Its records, and so their number,
    stay with those who hold the right to see them. Everyone else sees the systems of their rights alone;
    any other is absent, 404.
    """

    form = TicketSystemForm
    list_display = (
        "badge",
        "name",
        "kind",
        "business_unit",
        "rank",
        "refs",
        "ref_label",
        "matched",
        "isolated",
    )
    list_display_links = ("badge", "name")
    list_select_related = ("business_unit",)
    list_fullwidth = True
    compressed_fields = True
    search_fields = ("code", "name")
    ordering = ("rank", "code")
    fieldsets = (
        ("The system", {"fields": ("code", "name", "kind", "business_unit", "ref_label")}),
        (
            "How its records are treated",
            {"fields": ("rank", "is_matched_across", "is_isolated", "blanks_overwrite")},
        ),
    )
    change_form_outer_after_template = "contacts/system_rights.html"

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[SystemList]:
        return SystemList

    def get_queryset(self, request: HttpRequest) -> QuerySet[TicketSystem]:
        if self._steers(request):
            return ModelAdmin.get_queryset(self, request)
        return super().get_queryset(request)

    def get_readonly_fields(self, request: HttpRequest, obj: TicketSystem | None = None) -> tuple[str, ...]:
        """The code stands in files and commands; a hand system is its unit's."""
        if obj is None:
            return ()
        return ("code", "kind", "business_unit") if obj.kind == TicketSystem.Kind.HAND else ("code", "kind")

    def get_sortable_by(self, request: HttpRequest) -> tuple[str, ...]:
        return ("badge", "name", "kind", "business_unit", "rank")

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self._steers(request)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.has_perm("contacts.delete_ticketsystem")

    def save_model(self, request: HttpRequest, obj: TicketSystem, form: Any, change: bool) -> None:
        if not change:
            values = {name: form.cleaned_data[name] for name in form.Meta.fields if name != "business_unit"}
            made = add_ticket_system(unit=form.cleaned_data["business_unit"], **values)
            obj.__dict__.update(made.__dict__)
            _say_if_unseen(self, request, made)
            return
        super().save_model(request, obj, form, change)
        later = [text for name, text in READ_BY_THE_NIGHT.items() if name in form.changed_data]
        if later:
            self.message_user(
                request,
                f"You changed {' and '.join(later)}: it takes effect in the next night.",
                messages.INFO,
            )

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return super().changelist_view(request, {"title": "Ticket systems", **(extra_context or {})})

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> HttpResponse:
        shown: dict[str, Any] = {"show_save_and_continue": False, "show_save_and_add_another": False}
        system = self.get_object(request, unquote(object_id)) if object_id else None
        if system is not None and self._steers(request):
            shown["right_holders"] = right_holders(system)
        return super().changeform_view(request, object_id, form_url, shown | (extra_context or {}))

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Only an empty system is deleted: its records, jobs and purchases are somebody's history."""
        system = self.get_object(request, unquote(object_id))
        if system is None:
            raise Http404
        reason = self._kept_because(system)
        if reason and self.has_delete_permission(request, system):
            self.message_user(request, reason, messages.ERROR)
            return HttpResponseRedirect(reverse("admin:contacts_ticketsystem_change", args=[system.pk]))
        return super().delete_view(request, object_id, extra_context)

    @admin.display(description="code", ordering="code")
    def badge(self, system: TicketSystem) -> SafeString:
        return system_badge(system)

    @admin.display(description="System Refs")
    def refs(self, system: Any) -> str:
        return "–" if system.ref_count is None else f"{system.ref_count:,}"

    @admin.display(description="joins with others")
    def matched(self, system: TicketSystem) -> str:
        return "yes" if system.is_matched_across else "never"

    @admin.display(description="isolated")
    def isolated(self, system: TicketSystem) -> str:
        return "by contract" if system.is_isolated else "–"

    def _kept_because(self, system: TicketSystem) -> str:
        if system.kind == TicketSystem.Kind.HAND:
            return f"{system.code} takes what {system.business_unit} enters by hand; it stays with its unit."
        if system.system_refs.exists() or system.jobs.exists():
            return (
                f"{system.code} is not empty. A system is deleted only before anything was imported into it."
            )
        return ""

    def _steers(self, request: HttpRequest) -> bool:
        return request.user.has_perm("contacts.change_ticketsystem")


def _say_if_unseen(page: ModelAdmin, request: HttpRequest, system: TicketSystem) -> None:
    """Making a system gives no right to its records; whoever made it is told who can give it."""
    if reason := why_unseen(request.user, system):
        page.message_user(request, reason, messages.WARNING)


class BusinessUnitForm(forms.ModelForm):
    class Meta:
        model = BusinessUnit
        fields = ("code", "name")

    def clean_code(self) -> str:
        code = self.cleaned_data["code"]
        if self.instance.pk is None and TicketSystem.objects.filter(code=hand_system_code(code)).exists():
            raise ValidationError(
                "Its hand-entry system would have the code of one that exists; choose another."
            )
        return code


@admin.register(BusinessUnit)
class BusinessUnitAdmin(ModelAdmin):
    """Units of the organisation. Those who do not steer see the units of the systems they may see."""

    form = BusinessUnitForm
    list_display = ("name", "code", "systems")
    list_fullwidth = True
    compressed_fields = True
    search_fields = ("code", "name")
    ordering = ("name",)
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[BusinessUnit]:
        units = super().get_queryset(request)
        systems = TicketSystem.objects.order_by("rank", "code")
        if not request.user.has_perm("contacts.change_businessunit"):
            systems = systems.visible_to(request.user)
            units = units.filter(pk__in=systems.values("business_unit"))
        return units.prefetch_related(Prefetch("ticket_systems", queryset=systems, to_attr="shown_systems"))

    def get_readonly_fields(self, request: HttpRequest, obj: BusinessUnit | None = None) -> tuple[str, ...]:
        return () if obj is None else ("code",)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: BusinessUnit, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
            return
        made = add_business_unit(form.cleaned_data["code"], name=form.cleaned_data["name"])
        obj.__dict__.update(made.__dict__)
        hand_system = made.ticket_systems.get(kind=TicketSystem.Kind.HAND)
        self.message_user(request, f"Its hand-entry system {hand_system.code} was made with it.")
        _say_if_unseen(self, request, hand_system)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return super().changelist_view(request, {"title": "Business units", **(extra_context or {})})

    @admin.display(description="ticket systems")
    def systems(self, unit: Any) -> SafeString:
        return format_html_join(" ", "{}", ((system_badge(system),) for system in unit.shown_systems))

    def _get_obj_does_not_exist_redirect(
        self, request: HttpRequest, opts: Any, object_id: str
    ) -> HttpResponse:
        raise Http404

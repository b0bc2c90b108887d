"""What the cluster did, failed at, has waiting and plans: django-q2's lists, read by administrators."""

from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django_q.admin import FailAdmin, QueueAdmin, ScheduleAdmin, TaskAdmin
from django_q.models import Failure, OrmQ, Schedule, Success
from unfold.admin import ModelAdmin

from contacts.permissions import ADMINISTRATORS

for model in (Success, Failure, OrmQ, Schedule):
    admin.site.unregister(model)


class ReadByAdministrators(ModelAdmin):
    """Read-only, and for administrators alone.

    A task and a schedule name a function and its arguments, which the cluster calls: whoever could write one
    could run anything. Results and errors may quote what a task worked on.
    """

    page_title: str
    list_per_page = 50
    list_fullwidth = True
    compressed_fields = True
    actions = None

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Whether the user is an administrator; the database is asked of those whose role it may be."""
        user = request.user
        if not user.is_active or not super().has_view_permission(request, obj):
            return False
        if "_is_administrator" not in user.__dict__:
            user.__dict__["_is_administrator"] = (
                user.is_superuser or user.groups.filter(name=ADMINISTRATORS).exists()
            )
        return user.__dict__["_is_administrator"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        return super().changelist_view(request, {"title": self.page_title, **(extra_context or {})})


@admin.register(Success)
class DoneAdmin(ReadByAdministrators, TaskAdmin):
    page_title = "Background tasks: done"
    list_display = ("name", "func", "started", "stopped", "time_taken")
    list_filter = ()


@admin.register(Failure)
class FailedAdmin(ReadByAdministrators, FailAdmin):
    page_title = "Background tasks: failed"
    list_display = ("name", "func", "started", "stopped", "short_result")
    list_filter = ()


@admin.register(OrmQ)
class WaitingAdmin(ReadByAdministrators, QueueAdmin):
    page_title = "Background tasks: waiting"
    list_display = ("name", "func", "lock")
    list_filter = ()


@admin.register(Schedule)
class PlannedAdmin(ReadByAdministrators, ScheduleAdmin):
    """The night's time is changed in the organisation's settings, which re-plans it."""

    page_title = "Schedule"
    list_display = ("name", "func", "schedule_type", "next_run", "get_last_run", "get_success")
    list_display_links = ("name",)
    list_filter = ()

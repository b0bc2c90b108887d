"""FieldChange: what a value was, what it became, where it came from and who changed it."""

from datetime import date
from typing import Any

from django.db import models

from contacts.permissions import SystemRight, systems_with


class Origin(models.TextChoices):
    """The ways in (LAYOUT.md, "arrivals"): every change of a System Ref names one."""

    IMPORT = "import", "import"
    HAND = "hand", "by hand"
    PULL = "pull", "connector"
    BOOKING = "booking", "booking"
    CRM = "crm", "CRM"


AT_SOURCE = "at_source"  # the field of a change that says how a ref stands at its source


class FieldChangeQuerySet(models.QuerySet):
    def visible_to(self, user, right: SystemRight = SystemRight.VIEW) -> "FieldChangeQuerySet":
        """Changes of refs whose system the user holds the right on."""
        return self.filter(system_ref__system__in=systems_with(user, right))


class FieldChange(models.Model):
    """One changed field of one System Ref. A creation is a single row with a blank field."""

    system_ref = models.ForeignKey("contacts.SystemRef", on_delete=models.CASCADE, related_name="changes")
    field = models.CharField(max_length=30, blank=True, default="")
    before = models.TextField(blank=True, default="")
    after = models.TextField(blank=True, default="")
    origin = models.CharField(max_length=8, choices=Origin)
    actor = models.ForeignKey("auth.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    job = models.ForeignKey(
        "contacts.Job", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    at = models.DateTimeField()

    objects = FieldChangeQuerySet.as_manager()

    def __str__(self) -> str:
        return f"ref {self.system_ref_id}: {self.field or 'created'}"


def as_text(value: Any) -> str:
    """A value as history keeps it: dates in ISO form, a blank as an empty text."""
    if value is None:
        return ""
    return value.isoformat() if isinstance(value, date) else str(value)

"""HeldValue: a value that a person put right, which holds against what its source goes on saying."""

from django.db import models

from contacts.permissions import SystemRight, systems_with


class HeldValueQuerySet(models.QuerySet):
    def visible_to(self, user, right: SystemRight = SystemRight.VIEW) -> "HeldValueQuerySet":
        """Those of refs whose system the user holds the right on."""
        return self.filter(system_ref__system__in=systems_with(user, right))

    def conflicts(self) -> "HeldValueQuerySet":
        """Those whose source has said something new since: a person has to choose."""
        return self.filter(differs_since__isnull=False)


class HeldValue(models.Model):
    """One field of one System Ref that stands as a person wrote it (BEYOND 3).

    The value itself stands on the ref. `source_value` is what its source said last, as history writes it:
    while the source repeats that, the hand edit holds; once it says what the person wrote, the row goes;
    once it says something else, that is a conflict, open since `differs_since`, until it says again what it
    is `held_against`: what it said when the person wrote, or chose the hand edit over it. Written by
    `contacts.services.corrections` and `arrivals` only.
    """

    system_ref = models.ForeignKey("contacts.SystemRef", on_delete=models.CASCADE, related_name="held_values")
    field = models.CharField(max_length=30)
    source_value = models.TextField(blank=True, default="")
    held_against = models.TextField(blank=True, default="")
    by = models.ForeignKey("auth.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    at = models.DateTimeField()
    differs_since = models.DateTimeField(null=True, blank=True)

    objects = HeldValueQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["system_ref", "field"], name="one_held_value_per_field"),
        ]
        indexes = [
            models.Index(
                fields=["differs_since"],
                name="held_value_in_conflict",
                condition=models.Q(differs_since__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.field} of ref {self.system_ref_id}"

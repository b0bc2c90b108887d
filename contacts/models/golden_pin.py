"""GoldenPin: which System Ref supplies a golden field, by whose decision."""

from django.db import models


class GoldenPin(models.Model):
    """A choice that goes before the tiebreakers (DECISIONS 7). It leaves with its ref."""

    class Origin(models.TextChoices):
        PERSON = "person", "a person's choice"
        BOOKING = "booking", "a booking"
        GROUPING = "grouping", "a manual grouping"

    contact = models.ForeignKey("contacts.Contact", on_delete=models.CASCADE, related_name="pins")
    field = models.CharField(max_length=30)
    system_ref = models.ForeignKey("contacts.SystemRef", on_delete=models.CASCADE, related_name="pins")
    origin = models.CharField(max_length=12, choices=Origin)
    by = models.ForeignKey("auth.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["contact", "field"], name="one_pin_per_golden_field"),
        ]

    def __str__(self) -> str:
        return f"{self.field} of {self.contact_id}"

"""GoldenPin: which System Ref supplies a golden field, by whose decision."""

from django.db import models


class GoldenPin(models.Model):
    """A choice that goes before the tiebreakers (DECISIONS 7). It leaves with its ref.

    Of several on one field the newest goes first among those whose refs the reader may see: what one unit
    chose holds for its people, also after another unit chose something they do not see.
    """

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
            models.UniqueConstraint(
                fields=["contact", "field", "system_ref"], name="one_pin_per_field_and_ref"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.field} of {self.contact_id}"

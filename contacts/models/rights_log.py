"""RightsRecord: who gave or took which right, or looked with whose eyes; RefusedAttempt: who was refused."""

from django.db import models

from contacts.permissions import SystemRight


class RightsRecord(models.Model):
    """One line of the audit trail of rights. Names are kept beside the keys: people and groups may go."""

    class Deed(models.TextChoices):
        GIVEN = "given", "gave"
        TAKEN = "taken", "took away"
        VIEWED_AS = "viewed_as", "viewed as"

    deed = models.CharField(max_length=10, choices=Deed)
    by = models.ForeignKey("auth.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    by_name = models.CharField(max_length=150, blank=True, default="")
    user = models.ForeignKey("auth.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    group = models.ForeignKey(
        "auth.Group", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    to_name = models.CharField(max_length=150)
    system = models.ForeignKey(
        "contacts.TicketSystem", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    system_code = models.CharField(max_length=20, blank=True, default="")
    right = models.CharField(max_length=20, choices=SystemRight, blank=True, default="")
    at = models.DateTimeField()

    class Meta:
        verbose_name = "change of rights"
        verbose_name_plural = "Ticket System User Permission"
        permissions = [
            ("grant_rights", "Can decide who sees and changes the records of which ticket system"),
            ("view_as_user", "Can look at the product with another user's rights"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(deed="viewed_as") | ~(models.Q(right="") | models.Q(system_code="")),
                name="a_change_of_rights_names_right_and_system",
            ),
        ]
        indexes = [models.Index(fields=["-at", "-id"], name="rights_record_newest")]

    def __str__(self) -> str:
        return f"{self.get_deed_display()} {self.right} {self.system_code}".strip()


class RefusedAttempt(models.Model):
    """Somebody signed in tried to write where they may not: which door, which record, and when.

    `path` holds ids alone; nothing that was sent is kept.
    """

    user = models.ForeignKey("auth.User", on_delete=models.CASCADE, related_name="+")
    method = models.CharField(max_length=8)
    path = models.CharField(max_length=200)
    status = models.PositiveSmallIntegerField()
    at = models.DateTimeField()

    class Meta:
        verbose_name = "refused attempt"
        indexes = [models.Index(fields=["-at", "-id"], name="refused_attempt_newest")]

    def __str__(self) -> str:
        return f"{self.method} refused with {self.status}"

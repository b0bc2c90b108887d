"""HeldLine: what tonight's plan may not do; HeldRef: a System Ref that it keeps in place."""

from django.db import models
from django.db.models import Exists, OuterRef

from contacts.permissions import SystemRight, sees_every_system, systems_with


class HeldLineQuerySet(models.QuerySet):
    def visible_to(self, user, right: SystemRight = SystemRight.VIEW) -> "HeldLineQuerySet":
        """Lines of which the user holds the right on the system of every ref."""
        if sees_every_system(user, right):
            return self
        refs = HeldRef.objects.filter(line=OuterRef("pk"))
        hidden = refs.exclude(system_ref__system__in=systems_with(user, right))
        return self.filter(Exists(refs), ~Exists(hidden))  # without any ref left nobody knows whose it was


class HeldLine(models.Model):
    """Until it is let go, which removes it, no night regroups, or lets another lead, among these refs."""

    class Kind(models.TextChoices):
        REGROUP = "regroup", "their groups stay"
        PRIMARY = "primary", "their primary stays"

    kind = models.CharField(max_length=8, choices=Kind)
    by = models.ForeignKey("auth.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    at = models.DateTimeField()

    objects = HeldLineQuerySet.as_manager()

    class Meta:
        verbose_name = "held line"

    def __str__(self) -> str:
        return f"Held line {self.pk}"


class HeldRef(models.Model):
    """One ref of a held line; a ref is held once in each kind."""

    line = models.ForeignKey(HeldLine, on_delete=models.CASCADE, related_name="refs")
    kind = models.CharField(max_length=8, choices=HeldLine.Kind)
    system_ref = models.ForeignKey("contacts.SystemRef", on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["system_ref", "kind"], name="one_hold_per_ref_and_kind"),
        ]

    def __str__(self) -> str:
        return f"ref {self.system_ref_id} of held line {self.line_id}"

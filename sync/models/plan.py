"""NightPlan: what the coming night would do, rehearsed at one moment; PlanLine: one effect of it."""

from django.db import models
from django.db.models import Exists, OuterRef, Q

from contacts.permissions import SystemRight, sees_every_system, systems_with


class NightPlan(models.Model):
    """A rehearsal of the night's steps, taken back when it was read off; filed by a person or the cluster."""

    class State(models.TextChoices):
        WAITING = "waiting", "waits for the cluster"
        RUNNING = "running", "being made"
        DONE = "done", "made"
        FAILED = "failed", "failed"

    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    by = models.ForeignKey("auth.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    filed_at = models.DateTimeField()
    made_at = models.DateTimeField(null=True, blank=True, help_text="The moment whose data it goes by.")
    night_at = models.DateTimeField(
        null=True, blank=True, help_text="When the night begins that it foretells."
    )
    seconds = models.FloatField(default=0)
    counts = models.JSONField(default=dict, help_text="Lines by kind, and what is told in numbers alone.")
    error = models.CharField(max_length=300, blank=True, default="")

    class Meta:
        verbose_name = "plan of the night"
        verbose_name_plural = "plans of the night"
        constraints = [
            models.UniqueConstraint(
                fields=["state"], condition=Q(state__in=("waiting",)), name="one_plan_waits_at_a_time"
            ),
        ]

    def __str__(self) -> str:
        return f"Plan {self.pk}"


class PlanLineQuerySet(models.QuerySet):
    def visible_to(self, user, right: SystemRight = SystemRight.VIEW) -> "PlanLineQuerySet":
        """Lines of which the user holds the right on the system of every ref; the others say nothing."""
        if sees_every_system(user, right):
            return self
        hidden = PlanLineRef.objects.filter(line=OuterRef("pk")).exclude(
            system_ref__system__in=systems_with(user, right)
        )
        return self.filter(~Exists(hidden), refs__isnull=False).distinct()


class PlanLine(models.Model):
    """One effect, in ids: what the Contacts named are before and after. New GroupIDs are "new 1", "new 2"."""

    class Kind(models.TextChoices):
        GROUP = "group", "group"
        SPLIT = "split", "split"
        REGROUP = "regroup", "regroup"
        PLACE = "place", "place"
        PRIMARY = "primary", "primary"
        GOLDEN = "golden", "golden record"
        SUMS = "sums", "sums"
        REQUEST = "request", "request that fails"

    plan = models.ForeignKey(NightPlan, on_delete=models.CASCADE, related_name="lines")
    position = models.PositiveIntegerField()
    kind = models.CharField(max_length=8, choices=Kind)
    group_ids = models.JSONField(default=list)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    reason = models.CharField(max_length=300, blank=True, default="")
    request = models.ForeignKey(
        "contacts.GroupRequest", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    objects = PlanLineQuerySet.as_manager()

    class Meta:
        verbose_name = "line of the plan"
        constraints = [
            models.UniqueConstraint(fields=["plan", "position"], name="one_line_per_place_of_a_plan"),
        ]

    def __str__(self) -> str:
        return f"line {self.position} of plan {self.plan_id}"


class PlanLineRef(models.Model):
    """A System Ref that a line is about."""

    line = models.ForeignKey(PlanLine, on_delete=models.CASCADE, related_name="refs")
    system_ref = models.ForeignKey("contacts.SystemRef", on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["line", "system_ref"], name="line_names_each_ref_once"),
        ]

    def __str__(self) -> str:
        return f"ref {self.system_ref_id} of line {self.line_id}"

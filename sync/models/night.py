"""NightRun: one night; NightStep: one step of it, with what it did and how long it took."""

from django.db import models


class RunState(models.TextChoices):
    """Where a night or one of its steps stands."""

    WAITING = "waiting", "waiting"
    RUNNING = "running", "running"
    DONE = "done", "done"
    FAILED = "failed", "failed"
    HELD = "held", "held"


class NightRunQuerySet(models.QuerySet):
    def held_now(self) -> "NightRun | None":
        """The night that waits for somebody to let it go on; one is superseded as soon as another begins."""
        last = self.select_related("held_grouping__accepted_by").order_by("-started_at", "-pk").first()
        return last if last is not None and last.state == RunState.HELD else None


class NightRun(models.Model):
    """One night. A night that was cut off stays running and is taken up again where it stopped.

    A held one ended before it did something that somebody has to see first; `held_grouping` says what.
    """

    class Trigger(models.TextChoices):
        SCHEDULE = "schedule", "by schedule"
        HAND = "hand", "started by hand"
        COMMAND = "command", "by command"

    state = models.CharField(max_length=8, choices=RunState, default=RunState.RUNNING)
    trigger = models.CharField(max_length=8, choices=Trigger)
    by = models.ForeignKey("auth.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    resumed = models.PositiveIntegerField(default=0, help_text="times it was cut off and taken up again")
    held_grouping = models.ForeignKey(
        "contacts.GroupingRun",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="the last grouping run of this night that the brake held",
    )

    told_at = models.DateTimeField(
        null=True, blank=True, help_text="When its morning report went out by e-mail."
    )

    objects = NightRunQuerySet.as_manager()

    class Meta:
        verbose_name = "night"
        permissions = [("release_nightrun", "Can let a held night go on")]
        constraints = [
            models.UniqueConstraint(
                fields=["state"], condition=models.Q(state="running"), name="one_night_at_a_time"
            ),
        ]

    def __str__(self) -> str:
        return f"Night {self.pk}"


class NightStep(models.Model):
    """One step: `done` of `total` while it runs, `counts` when it is finished."""

    run = models.ForeignKey(NightRun, on_delete=models.CASCADE, related_name="steps")
    position = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=60)
    state = models.CharField(max_length=8, choices=RunState, default=RunState.WAITING)
    done = models.PositiveBigIntegerField(default=0)
    total = models.PositiveBigIntegerField(default=0)
    counts = models.JSONField(default=dict)
    seconds = models.FloatField(default=0)
    error = models.TextField(blank=True, default="")
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run", "position"], name="one_step_per_position"),
        ]

    def __str__(self) -> str:
        return f"{self.run_id}.{self.position} {self.name}"

"""PullRun: one pull of a connection; its staging area, the rows that wait to be mended, and alarms."""

from django.db import models

from contacts.permissions import SystemRight, systems_with
from ticketing.models.connection import SourceConnection


class PerConnectionQuerySet(models.QuerySet):
    def visible_to(self, user, right: SystemRight = SystemRight.VIEW) -> "PerConnectionQuerySet":
        """Rows of connections of systems on which the user holds the right."""
        return self.filter(connection__system__in=systems_with(user, right))


class PullRunQuerySet(PerConnectionQuerySet):
    def unfinished(self) -> "PullRunQuerySet":
        """Runs that the next pull takes up where they stopped."""
        return self.filter(state__in=(PullRun.State.RUNNING, PullRun.State.FAILED), ended_at=None)


class PullRun(models.Model):
    """One pull: Download, Apply, Publish, and where due a comparison with the full list of accounts.

    A run that was cut off or that failed is taken up by the next pull where it stopped; `attempts` counts.
    It is over for good once `ended_at` is set.
    """

    class State(models.TextChoices):
        RUNNING = "running", "running"
        DONE = "done", "done"
        FAILED = "failed", "failed"
        HELD = "held", "held"
        DROPPED = "dropped", "dropped"

    class Phase(models.TextChoices):
        DOWNLOAD = "download", "Download"
        APPLY = "apply", "Apply"
        PUBLISH = "publish", "Publish"
        COMPARE = "compare", "Compare"
        OVER = "over", "over"

    class Trigger(models.TextChoices):
        SCHEDULE = "schedule", "by schedule"
        HAND = "hand", "started by hand"
        COMMAND = "command", "by command"
        HINT = "hint", "after a hint"

    connection = models.ForeignKey(SourceConnection, on_delete=models.CASCADE, related_name="runs")
    version = models.PositiveIntegerField(help_text="of the connection's settings")
    trigger = models.CharField(max_length=8, choices=Trigger)
    by = models.ForeignKey("auth.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    is_full = models.BooleanField(default=False)
    lists_accounts = models.BooleanField(default=False)
    state = models.CharField(max_length=8, choices=State, default=State.RUNNING)
    phase = models.CharField(max_length=8, choices=Phase, default=Phase.DOWNLOAD)
    data_set = models.CharField(max_length=20, blank=True, default="", help_text="the one at work on")
    resume = models.TextField(blank=True, default="", help_text="where that one's download goes on")
    done = models.PositiveBigIntegerField(default=0, help_text="rows that this phase is done with")
    columns = models.JSONField(default=dict, help_text="lot -> the source's columns")
    since = models.JSONField(default=dict, help_text="data set -> the cursor it began at")
    cursors = models.JSONField(default=dict, help_text="data set -> the cursor to move to")
    counts = models.JSONField(default=dict)
    seconds = models.JSONField(default=dict, help_text="phase -> seconds")
    expected = models.PositiveBigIntegerField(null=True, blank=True, help_text="rows, for the time left")
    attempts = models.PositiveIntegerField(default=1)
    message = models.TextField(blank=True, default="")
    advice = models.TextField(blank=True, default="")
    lag_seconds = models.FloatField(
        null=True, blank=True, help_text="how old the oldest change was when it stood here"
    )
    started_at = models.DateTimeField()
    worked_at = models.DateTimeField(help_text="when it last got on")
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = PullRunQuerySet.as_manager()

    class Meta:
        verbose_name = "pull"
        constraints = [
            models.UniqueConstraint(
                fields=["connection"], condition=models.Q(ended_at=None), name="one_pull_of_a_connection"
            ),
        ]
        indexes = [models.Index(fields=["connection", "-started_at"], name="pulls_of_a_connection")]

    def __str__(self) -> str:
        return f"Pull {self.pk}"


class StagedRow(models.Model):
    """A row in the staging area: as it came, its cells one text; gone when its run is over.

    The number of the row is its line in messages of this run.
    """

    run = models.ForeignKey(PullRun, on_delete=models.CASCADE, related_name="staged", db_index=False)
    lot = models.CharField(max_length=20, help_text="rows of one data set with the same columns")
    key = models.TextField()
    cells = models.TextField()

    class Meta:
        indexes = [
            models.Index(fields=["run", "lot", "id"], name="staged_rows_of_a_run"),
            models.Index(fields=["run", "lot", "key"], name="staged_rows_by_key"),
        ]

    def __str__(self) -> str:
        return f"staged row {self.pk}"


class WaitingRow(models.Model):
    """A row that could not be taken: whole, with the reason. Each pull tries it again until it goes in, a
    newer one of its key does, or it is too old (DECISIONS 17: nothing is lost, the rest goes on)."""

    connection = models.ForeignKey(SourceConnection, on_delete=models.CASCADE, related_name="waiting_rows")
    data_set = models.CharField(max_length=10)
    key = models.TextField()
    row = models.JSONField(help_text="their column -> text")
    column = models.CharField(max_length=120, blank=True, default="")
    value = models.CharField(max_length=200, blank=True, default="")
    reason = models.CharField(max_length=300)
    is_held = models.BooleanField(default=False)
    since = models.DateTimeField()
    tried_at = models.DateTimeField()
    run = models.ForeignKey(PullRun, on_delete=models.SET_NULL, null=True, related_name="waiting_rows")

    objects = PerConnectionQuerySet.as_manager()

    class Meta:
        verbose_name = "rejected row"
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "data_set", "key"], name="each_rejected_row_waits_once"
            ),
        ]

    def __str__(self) -> str:
        return f"rejected row {self.pk}"


class PullAlarm(models.Model):
    """Something that people must know of a connection: raised once, told by e-mail, over when it is well."""

    class Kind(models.TextChoices):
        FAILING = "failing", "pulls fail"
        LATE = "late", "no fresh data"
        EMPTY_LIST = "empty", "the list of accounts came empty"
        TOO_MANY_GONE = "gone", "too many accounts are missing"
        REJECTED = "rejected", "many rows rejected"
        UNSENT = "unsent", "changes not written"

    connection = models.ForeignKey(SourceConnection, on_delete=models.CASCADE, related_name="alarms")
    kind = models.CharField(max_length=8, choices=Kind)
    message = models.TextField()
    raised_at = models.DateTimeField()
    told_at = models.DateTimeField(null=True, blank=True)
    over_at = models.DateTimeField(null=True, blank=True)

    objects = PerConnectionQuerySet.as_manager()

    class Meta:
        verbose_name = "alarm"
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "kind"],
                condition=models.Q(over_at=None),
                name="one_alarm_of_a_kind_at_a_time",
            ),
        ]

    def __str__(self) -> str:
        return f"alarm {self.pk}"

"""Job: an import or export in the background; RejectedRow: a row it could not take, with the reason."""

from django.db import models

from contacts.permissions import SystemRight, systems_with


class JobQuerySet(models.QuerySet):
    def visible_to(self, user, right: SystemRight = SystemRight.VIEW) -> "JobQuerySet":
        """Jobs on systems that the user holds the right on: their rejected rows hold personal data."""
        return self.filter(system__in=systems_with(user, right))


class Job(models.Model):
    """Long work that may be left and found again: its file, its progress, what came of it."""

    class Kind(models.TextChoices):
        IMPORT_SYSTEM_REFS = "import_system_refs", "Import of System Refs"
        IMPORT_PURCHASES = "import_purchases", "Import of purchases"
        IMPORT_RELATED_NAMES = "import_related_names", "Import of related names"

    class State(models.TextChoices):
        WAITING = "waiting", "waiting"
        CHECKING = "checking", "checking the file"
        CHECKED = "checked", "checked, to be confirmed"
        WRITING = "writing", "writing"
        DONE = "done", "done"
        FAILED = "failed", "failed"
        CANCELLED = "cancelled", "cancelled"

    kind = models.CharField(max_length=30, choices=Kind)
    system = models.ForeignKey("contacts.TicketSystem", on_delete=models.PROTECT, related_name="jobs")
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    file = models.FileField(upload_to="imports/", blank=True)
    file_name = models.CharField(max_length=255, blank=True, default="")
    options = models.JSONField(default=dict, help_text="column map and date format, as given")
    position = models.PositiveBigIntegerField(default=0, help_text="bytes read so far")
    size = models.PositiveBigIntegerField(default=0, help_text="bytes in all")
    rows = models.PositiveBigIntegerField(default=0, help_text="data rows read so far")
    counts = models.JSONField(default=dict, help_text="created, changed, unchanged, rejected, held")
    preview = models.JSONField(default=list, help_text="the first rows as they would be written")
    ignored_columns = models.JSONField(default=list)
    message = models.TextField(blank=True, default="")
    by = models.ForeignKey("auth.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        verbose_name = "import"

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.pk}"


class RejectedRowQuerySet(models.QuerySet):
    def mendable(self) -> "RejectedRowQuerySet":
        """Rows that were not sent again, or in an import that came to nothing."""
        came_to_nothing = (Job.State.FAILED, Job.State.CANCELLED)
        return self.filter(models.Q(sent_in=None) | models.Q(sent_in__state__in=came_to_nothing))

    def mended(self) -> "RejectedRowQuerySet":
        """Mendable rows that somebody has corrected."""
        return self.mendable().exclude(mended={})


class RejectedRow(models.Model):
    """A row that was not taken: where it stood, which value, why; whole, to be mended and sent again."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="rejected_rows")
    line = models.PositiveBigIntegerField(help_text="line in the file, the header being 1")
    column = models.CharField(max_length=100, blank=True, default="")
    value = models.CharField(max_length=200, blank=True, default="", help_text="cut at 200 characters")
    reason = models.CharField(max_length=300)
    row = models.JSONField(default=dict, help_text="the whole row under the file's own column names")
    mended = models.JSONField(default=dict, help_text="the corrected cells, under the same names")
    sent_in = models.ForeignKey(
        Job,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="the import that the corrected row was sent again in",
    )

    objects = RejectedRowQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["job", "line"], name="rejected_row_by_line")]

    def __str__(self) -> str:
        return f"line {self.line}"

"""SourceConnection: how one ticket system is pulled; SourceSecret: a credential of it, encrypted."""

from django.db import models

from contacts.permissions import SystemRight, systems_with


class SourceConnectionQuerySet(models.QuerySet):
    def visible_to(self, user, right: SystemRight = SystemRight.VIEW) -> "SourceConnectionQuerySet":
        """Connections of systems on which the user holds the right."""
        return self.filter(system__in=systems_with(user, right))


class SourceConnection(models.Model):
    """Where the records of one ticket system are pulled from, how their columns map, and how often.

    The cursors are opaque texts of the connector, by data set. They move in the transaction that ends a
    run's publishing, so that what was not written is read again.
    """

    system = models.OneToOneField(
        "contacts.TicketSystem", on_delete=models.CASCADE, related_name="source_connection"
    )
    connector = models.CharField(max_length=40)
    options = models.JSONField(default=dict, help_text="by the connector's own names; no secrets")
    mapping = models.JSONField(default=dict, help_text="data set -> their column -> ours")
    date_format = models.CharField(max_length=40, blank=True, default="")
    time_zone = models.CharField(
        max_length=64, blank=True, default="", help_text="Of moments without one; blank: the organisation's."
    )
    every_minutes = models.PositiveIntegerField("minutes between pulls", default=60)
    overlap_minutes = models.PositiveIntegerField(
        "minutes of overlap",
        default=90,
        help_text="How far each pull reaches back behind the last one, for rows dated back or written late.",
    )
    list_hours = models.PositiveIntegerField(
        "hours between full lists",
        default=24,
        help_text="How often every account number is listed, to find those that are gone.",
    )
    full_days = models.PositiveIntegerField(
        "days between full pulls",
        default=7,
        help_text="How often everything is read again, for rows that were dated back further; 0: never.",
    )
    most_rows = models.PositiveBigIntegerField("most rows in one pull", default=20_000_000)
    statement_seconds = models.PositiveIntegerField("seconds a query may take", default=300)
    is_paused = models.BooleanField("paused", default=False)
    cursors = models.JSONField(default=dict, help_text="data set -> where the next pull begins")
    version = models.PositiveIntegerField(default=1, help_text="of the settings; a run keeps to one")
    last_listed_at = models.DateTimeField(null=True, blank=True)
    last_full_at = models.DateTimeField(null=True, blank=True)
    fresh_as_of = models.DateTimeField(
        null=True, blank=True, help_text="Everything that changed at the source before this is here."
    )
    hook_key = models.CharField(max_length=64, unique=True, help_text="in the address that hints are sent to")

    objects = SourceConnectionQuerySet.as_manager()

    class Meta:
        verbose_name = "connection"
        permissions = [("pull_sourceconnection", "Can start, pause and accept pulls")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(every_minutes__gte=1), name="pulled_once_a_minute_at_most"
            ),
        ]

    def __str__(self) -> str:
        return f"connection of system {self.system_id}"


class SourceSecret(models.Model):
    """One credential of a connection, encrypted with its place as associated data (contacts.vault)."""

    connection = models.ForeignKey(SourceConnection, on_delete=models.CASCADE, related_name="secrets")
    name = models.CharField(max_length=40)
    sealed = models.BinaryField()
    set_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["connection", "name"], name="one_secret_of_a_name"),
        ]

    def __str__(self) -> str:
        return f"{self.name} of connection {self.connection_id}"


class SourceHint(models.Model):
    """What a source hints at: something to read again, never a value. Unsigned, so nothing but a hint."""

    connection = models.ForeignKey(SourceConnection, on_delete=models.CASCADE, related_name="hints")
    hint = models.CharField(max_length=200)
    came_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["connection", "hint"], name="each_hint_waits_once")]

    def __str__(self) -> str:
        return f"hint {self.pk}"

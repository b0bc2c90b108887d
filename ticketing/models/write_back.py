"""WriteBack: what was submitted in the Ticketing Data Manager and has to reach the ticketing system."""

from django.db import models

from contacts.permissions import SystemRight, systems_with


class WriteBackQuerySet(models.QuerySet):
    def visible_to(self, user, right: SystemRight = SystemRight.VIEW) -> "WriteBackQuerySet":
        """Those of refs whose system the user holds the right on."""
        return self.filter(system_ref__system__in=systems_with(user, right))

    def waiting(self) -> "WriteBackQuerySet":
        """Those that the cluster still has to write, oldest first."""
        return self.filter(state=WriteBack.State.WAITING).order_by("pk")

    def open(self) -> "WriteBackQuerySet":
        """Those that somebody or something still has to deal with."""
        return self.filter(
            state__in=(WriteBack.State.WAITING, WriteBack.State.REFUSED, WriteBack.State.TO_DO)
        )


class WriteBack(models.Model):
    """One Submit on its way to the source; filed in the transaction of the change (ADR 13).

    `values` are the person's, by our field names and as history writes them; `before` is what stood here
    then, which the source must still have. Waiting is the cluster's to write; refused went back to the
    source's value here, and keeps the person's to be corrected and sent again; to do is a task for people,
    where nothing can write to the source. Written by `ticketing.services.write_backs` only.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "waiting"
        WRITTEN = "written", "written"
        REFUSED = "refused", "refused"
        SENT_AGAIN = "sent_again", "corrected and sent again"
        DROPPED = "dropped", "dropped"
        TO_DO = "to_do", "to be changed at the source"
        DONE = "done", "changed at the source"

    system_ref = models.ForeignKey("contacts.SystemRef", on_delete=models.CASCADE, related_name="write_backs")
    values = models.JSONField(help_text="our field -> the person's value, as text")
    before = models.JSONField(help_text="our field -> what stood here, as text")
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    reason = models.CharField(
        max_length=400, blank=True, default="", help_text="Why it was refused, or waits."
    )
    advice = models.CharField(max_length=400, blank=True, default="")
    by = models.ForeignKey("auth.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    at = models.DateTimeField("submitted")
    attempts = models.PositiveIntegerField(default=0)
    try_after = models.DateTimeField(null=True, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)
    settled_by = models.ForeignKey(
        "auth.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    follows = models.OneToOneField(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="followed_by"
    )

    objects = WriteBackQuerySet.as_manager()

    class Meta:
        verbose_name = "write-back"
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(state="refused") | ~models.Q(reason=""), name="a_refusal_says_why"
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=("waiting", "to_do"), settled_at=None)
                | models.Q(~models.Q(state__in=("waiting", "to_do")), settled_at__isnull=False),
                name="what_is_settled_says_when",
            ),
        ]
        indexes = [
            models.Index(fields=["state", "id"], name="write_back_by_state"),
            models.Index(fields=["by", "-id"], name="write_back_by_author"),
        ]

    def __str__(self) -> str:
        return f"write-back {self.pk}"

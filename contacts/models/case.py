"""Case: something that went wrong with a record, raised at the service desk with all facts (R-CM-24)."""

from django.db import models
from django.db.models import Exists, OuterRef

from contacts.permissions import SystemRight, sees_every_system, systems_with


class CaseQuerySet(models.QuerySet):
    def visible_to(self, user, right: SystemRight = SystemRight.VIEW) -> "CaseQuerySet":
        """Cases of which the user holds the right on the system of every ref."""
        if sees_every_system(user, right):
            return self
        refs = CaseRef.objects.filter(case=OuterRef("pk"))
        hidden = refs.exclude(system_ref__system__in=systems_with(user, right))
        return self.filter(Exists(refs), ~Exists(hidden))  # without any ref left nobody knows whose it was


class Case(models.Model):
    """`facts` holds ids, moments, rules and weights, never a value of a person; it goes with the e-mail."""

    class State(models.TextChoices):
        OPEN = "open", "open"
        IN_HAND = "in_hand", "in hand"
        SOLVED = "solved", "solved"

    state = models.CharField(max_length=8, choices=State, default=State.OPEN)
    title = models.CharField(max_length=150)
    group_id = models.BigIntegerField(help_text="The Contact that it was raised from.")
    request = models.ForeignKey(
        "contacts.GroupRequest", on_delete=models.SET_NULL, null=True, blank=True, related_name="cases"
    )
    facts = models.JSONField(default=dict)
    by = models.ForeignKey("auth.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    at = models.DateTimeField()
    mailed_at = models.DateTimeField(null=True, blank=True)
    mail_error = models.CharField(max_length=200, blank=True, default="")
    solved_at = models.DateTimeField(null=True, blank=True)

    objects = CaseQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["-at", "-id"], name="case_newest")]

    def __str__(self) -> str:
        return f"Case {self.pk}"


class CaseRef(models.Model):
    """A System Ref that the case is about."""

    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="refs")
    system_ref = models.ForeignKey("contacts.SystemRef", on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["case", "system_ref"], name="case_names_each_ref_once"),
        ]

    def __str__(self) -> str:
        return f"ref {self.system_ref_id} of case {self.case_id}"


class CaseComment(models.Model):
    """What somebody wrote to a case, or how its state changed then."""

    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="comments")
    text = models.TextField(blank=True, default="")
    state = models.CharField(max_length=8, choices=Case.State, blank=True, default="")
    by = models.ForeignKey("auth.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"comment {self.pk} on case {self.case_id}"

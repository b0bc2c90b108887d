"""RuleSet: the matching rules, one row per version; RuleTrial: what proposed rules would change."""

from django.db import models

from contacts.permissions import SystemRight, sees_every_system


class RulesBody(models.Model):
    """The ordered rules and the thresholds of the score, as contacts.services.matching_rules writes them."""

    rules = models.JSONField(
        help_text="ordered: name, title, sentence, criteria, names_must_agree, is_active"
    )
    score = models.JSONField(help_text="is_active and four thresholds in bits; null: the model's")

    class Meta:
        abstract = True


class RuleSet(RulesBody):
    """One version of all matching rules. A version that was made is never edited: a trigger refuses it."""

    number = models.PositiveIntegerField(unique=True)
    is_active = models.BooleanField(default=False)
    author = models.ForeignKey(
        "auth.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField()
    note = models.CharField(max_length=300, blank=True, default="")

    class Meta:
        verbose_name = "matching rules"
        verbose_name_plural = "matching rules"
        constraints = [
            models.UniqueConstraint(
                fields=["is_active"], condition=models.Q(is_active=True), name="one_active_rule_set"
            ),
        ]

    def __str__(self) -> str:
        return f"Matching rules, version {self.number}"


class RuleTrialQuerySet(models.QuerySet):
    def visible_to(self, user, right: SystemRight = SystemRight.VIEW) -> "RuleTrialQuerySet":
        """A trial counts and shows people of every system: it is for those who may see them all."""
        return self if sees_every_system(user, right) else self.none()


class RuleTrial(RulesBody):
    """A dry run of proposed rules: how far it is, how many groups would join and split, and examples.

    Examples name System Refs by id, never by value; a screen shows those that the reader may see wholly.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "waiting for the cluster"
        RUNNING = "running", "running"
        DONE = "done", "done"
        FAILED = "failed", "failed"

    based_on = models.PositiveIntegerField(help_text="the version that it was made from")
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    step = models.PositiveSmallIntegerField(
        default=0, help_text="steps done, of contacts.services.what_if.STEPS"
    )
    counts = models.JSONField(default=dict, help_text="groups_before, groups_after, joined, split")
    examples = models.JSONField(default=list, help_text="kind, rule, ref ids of both sides")
    message = models.TextField(blank=True, default="")
    by = models.ForeignKey("auth.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = RuleTrialQuerySet.as_manager()

    class Meta:
        verbose_name = "dry run of matching rules"
        verbose_name_plural = "dry runs of matching rules"

    def __str__(self) -> str:
        return f"Dry run {self.pk}"

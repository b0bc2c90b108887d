"""ReviewAnswer: what somebody said of two Contacts that might be one; AnswerMember: their refs then."""

from django.db import models
from django.db.models import Exists, OuterRef, Q

from contacts.permissions import SystemRight, sees_every_system, systems_with


class ReviewAnswerQuerySet(models.QuerySet):
    def visible_to(self, user, right: SystemRight = SystemRight.VIEW) -> "ReviewAnswerQuerySet":
        """Answers of which the user holds the right on the system of every member."""
        if sees_every_system(user, right):
            return self
        refs = AnswerMember.objects.filter(answer=OuterRef("pk"))
        hidden = refs.exclude(system_ref__system__in=systems_with(user, right))
        return self.filter(Exists(refs), ~Exists(hidden))  # without any ref left nobody knows whose it was

    def standing(self) -> "ReviewAnswerQuerySet":
        """Answers that were not taken back."""
        return self.filter(taken_back_at=None)


class ReviewAnswer(models.Model):
    """One answer, remembered for exactly these members: with another ref on either side it is asked anew
    (BEYOND 10). `key` is made of the members; one standing answer per key, so that two reviewers at once do
    not both answer.
    """

    class Answer(models.TextChoices):
        SAME = "same", "same"
        DIFFERENT = "different", "different"
        LATER = "later", "later"

    answer = models.CharField(max_length=10, choices=Answer)
    key = models.CharField(max_length=64)
    rule = models.CharField(max_length=40, blank=True, default="", help_text="Of the link that was shown.")
    guard = models.CharField(max_length=40, blank=True, default="")
    weight = models.FloatField()
    request = models.ForeignKey(
        "contacts.GroupRequest", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    by = models.ForeignKey("auth.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    at = models.DateTimeField()
    asks_again_at = models.DateTimeField(null=True, blank=True, help_text="When “later” is over.")
    made = models.JSONField(default=list, help_text="Do-not-group rules that came with it.")
    lifted = models.JSONField(default=list, help_text="Decisions that it lifted.")
    is_outgrown = models.BooleanField(
        default=False, help_text="A ref joined one of its Contacts since: to be asked again, if still apart."
    )
    taken_back_at = models.DateTimeField(null=True, blank=True)
    taken_back_by = models.ForeignKey(
        "auth.User",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="Who took it back, or answered anew once it no longer held.",
    )

    objects = ReviewAnswerQuerySet.as_manager()

    class Meta:
        verbose_name = "answer of the review"
        constraints = [
            models.UniqueConstraint(
                fields=["key"], condition=Q(taken_back_at=None), name="one_standing_answer_per_members"
            ),
        ]
        indexes = [
            models.Index(fields=["-at", "-id"], name="review_answer_newest"),
            models.Index(fields=["id"], name="review_answer_outgrown", condition=Q(is_outgrown=True)),
        ]

    def __str__(self) -> str:
        return f"Answer {self.pk}: {self.answer}"


class AnswerMember(models.Model):
    """A System Ref that stood on one side of the pair when it was answered."""

    answer = models.ForeignKey(ReviewAnswer, on_delete=models.CASCADE, related_name="members")
    system_ref = models.ForeignKey("contacts.SystemRef", on_delete=models.CASCADE, related_name="+")
    side = models.PositiveSmallIntegerField(help_text="0 left, 1 right.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["answer", "system_ref"], name="answer_names_each_ref_once"),
            models.CheckConstraint(condition=Q(side__in=(0, 1)), name="a_pair_has_two_sides"),
        ]

    def __str__(self) -> str:
        return f"ref {self.system_ref_id} of answer {self.answer_id}"

"""What the review has to notice when groups change: answers that new members have outgrown (BEYOND 10)."""

from collections.abc import Collection

from contacts.models import AnswerMember, ReviewAnswer
from contacts.models.any_of import AnyOf


def note_new_members(ref_ids: Collection[int]) -> int:
    """Mark the answers “different” about these refs, whose Contacts have got another ref; returns how many.

    Call it in the transaction that changed the Contacts; it costs by the refs. Whether such an answer is
    asked again is seen when the queue is read: an undo may have put everything back since.
    """
    members = AnswerMember.objects.filter(AnyOf("system_ref", list(ref_ids)))
    different = ReviewAnswer.objects.standing().filter(
        answer=ReviewAnswer.Answer.DIFFERENT, is_outgrown=False, pk__in=members.values("answer")
    )
    return different.update(is_outgrown=True) if ref_ids else 0

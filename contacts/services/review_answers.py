"""Answers of the review: same, different, later; each remembered for the exact members, and taken back."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.contrib.auth.models import User
from django.db import transaction

from contacts.models import AnswerMember, Contact, GroupDecision, GroupRequest, Organisation, ReviewAnswer
from contacts.permissions import SystemRight
from contacts.services.decisions import decide, lift, pairs_between, stand_again
from contacts.services.group_requests import (
    CannotRequest,
    MayNotRequest,
    file_grouping,
    require_may_request,
    withdraw_request,
)
from contacts.services.review_memory import note_new_members
from contacts.services.review_pairs import Answer, Pair, load_pair

MORNING = time(6)
UNDONE_FOR = timedelta(hours=12)  # for which one's last answer is offered to be undone
REASON = "Different people, by the review."
_SAID = {
    Answer.SAME: "they are the same person",
    Answer.DIFFERENT: "they are different people",
    Answer.LATER: "to ask again later",
}


class CannotAnswer(Exception):
    """Says, for the person at the screen, why the answer was not taken."""


class MayNotAnswer(CannotAnswer):
    """Without the right to group, or to see every ref of both Contacts; the sentence tells nothing hidden."""

    def __init__(self) -> None:
        super().__init__(str(MayNotRequest()))


class AnsweredSince(CannotAnswer):
    """Somebody else was first; what they said stands."""

    def __init__(self, answer: ReviewAnswer) -> None:
        who = (answer.by.get_full_name() or answer.by.get_username()) if answer.by else "Somebody"
        super().__init__(f"{who} answered already: {_SAID[Answer(answer.answer)]}. Nothing was done twice.")
        self.answer = answer


@transaction.atomic
def answer(
    left_id: int,
    right_id: int,
    said: ReviewAnswer.Answer,
    *,
    key: str,
    by: User,
    now: datetime,
    replaces: int | None = None,
) -> ReviewAnswer:
    """Take what a person says of two Contacts, given by their GroupIDs.

    “same” asks the night to group them, “different” writes do-not-group rules between all their refs,
    “later” asks again in the morning. `key`: of the members that were shown; `replaces`: the “later” that was
    shown with them. Raises MayNotAnswer; AnsweredSince where another answer holds; CannotAnswer where the
    members changed, or the grouping is refused: then nothing is remembered.
    """
    # One after the other: who comes second reads what the first one said.
    list(Contact.objects.filter(pk__in=[left_id, right_id]).select_for_update().order_by("pk"))
    pair = _pair(left_id, right_id, by=by)
    held = pair.holding_answer(now)
    if held is not None and not (held.answer == Answer.LATER and held.pk == replaces):
        raise AnsweredSince(held)
    if pair.key != key:
        raise CannotAnswer("One of the records changed since you looked. Here they are as they stand now.")
    _supersede(pair, said, by=by, now=now)
    kept = _keep(pair, said, by=by, now=now)
    try:
        _carry_out(kept, pair, by=by, now=now)
    except CannotRequest as refusal:
        raise CannotAnswer(str(refusal)) from refusal
    return kept


@transaction.atomic
def take_back(given: ReviewAnswer, *, by: User, now: datetime) -> ReviewAnswer:
    """Undo an answer: withdraw its request, lift its rules; the pair is asked about again.

    Raises MayNotAnswer, and CannotAnswer where it was taken back, or the night has done it already.
    """
    kept = ReviewAnswer.objects.select_for_update(of=("self",)).select_related("request").get(pk=given.pk)
    systems = AnswerMember.objects.filter(answer=kept).values_list("system_ref__system", flat=True)
    try:
        require_may_request(set(systems), by=by)
        if kept.taken_back_at is not None:
            raise CannotAnswer("This answer was undone already.")
        if kept.answer == Answer.SAME and kept.request:
            _withdraw(kept.request, by=by, now=now)
    except MayNotRequest as refusal:
        raise MayNotAnswer from refusal
    except CannotRequest as refusal:
        raise CannotAnswer(str(refusal)) from refusal
    lift(kept.made, by=by, now=now)
    stand_again(kept.lifted)
    kept.taken_back_at, kept.taken_back_by, kept.is_outgrown = now, by, False
    kept.save(update_fields=["taken_back_at", "taken_back_by", "is_outgrown"])
    note_new_members(
        list(kept.members.values_list("system_ref", flat=True))
    )  # an older answer may be asked again
    return kept


def last_answer(user: User, *, now: datetime) -> ReviewAnswer | None:
    """The user's own newest answer that stands, while it is fresh and no night has carried it out: what
    “undo” takes back.
    """
    own = ReviewAnswer.objects.visible_to(user, SystemRight.VIEW).standing()
    fresh = own.filter(by=user, at__gt=now - UNDONE_FOR).select_related("request")
    last = fresh.order_by("-at", "-pk").first()
    is_done = last is not None and last.request and last.request.state == GroupRequest.State.DONE
    return None if is_done else last


def next_morning(*, now: datetime) -> datetime:
    """When a pair left for later is asked again, by the organisation's clock."""
    zone = ZoneInfo(Organisation.load().time_zone)
    return datetime.combine(now.astimezone(zone).date() + timedelta(days=1), MORNING, tzinfo=zone)


def _pair(left_id: int, right_id: int, *, by: User) -> Pair:
    """Raises MayNotAnswer, or CannotAnswer where they are not two any more."""
    try:
        require_may_request([], by=by)
    except MayNotRequest as refusal:
        raise MayNotAnswer from refusal
    pair = load_pair(left_id, right_id, by)
    if pair is not None:
        return pair
    if Contact.objects.filter(pk__in=[left_id, right_id]).visible_to(by).count() < 2:
        raise CannotAnswer("These are not two contacts any more.")
    raise MayNotAnswer


def _supersede(pair: Pair, said: ReviewAnswer.Answer, *, by: User, now: datetime) -> None:
    """What was said of these very members and holds no longer makes room; a decision settles what was
    outgrown.
    """
    if pair.last_said is not None:
        ReviewAnswer.objects.filter(pk=pair.last_said.pk).update(taken_back_at=now, taken_back_by=by)
    if said != Answer.LATER:
        # Of answers with a member out of this person's sight none is settled: who sees them is asked anew,
        # and no mark changes on what this person may not see.
        ReviewAnswer.objects.filter(pk__in=[one.pk for one in pair.earlier]).update(is_outgrown=False)


def _keep(pair: Pair, said: ReviewAnswer.Answer, *, by: User, now: datetime) -> ReviewAnswer:
    # An outgrown answer has no link of its own any more: it goes on counting for the rule it was asked by.
    shown = pair.link or (pair.earlier[0] if pair.earlier else None)
    kept = ReviewAnswer.objects.create(
        answer=said,
        key=pair.key,
        rule=shown.rule if shown else "",
        guard=shown.guard if shown else "",
        weight=shown.weight if shown else 0,
        by=by,
        at=now,
        asks_again_at=next_morning(now=now) if said == Answer.LATER else None,
    )
    AnswerMember.objects.bulk_create(
        AnswerMember(answer=kept, system_ref_id=ref_id, side=side)
        for side, refs in enumerate(pair.sides)
        for ref_id in refs
    )
    return kept


def _carry_out(kept: ReviewAnswer, pair: Pair, *, by: User, now: datetime) -> None:
    if kept.answer == Answer.SAME:
        kept.request = file_grouping(
            pair.left, [pair.right], by=by, now=now, reason="Same person, by the review."
        )
    if kept.answer == Answer.DIFFERENT:
        between = pairs_between(*pair.sides)
        kept.made, kept.lifted = decide(between, GroupDecision.Kind.NEVER, by=by, now=now, reason=REASON)
    kept.save(update_fields=["request", "made", "lifted"])


def _withdraw(request: GroupRequest, *, by: User, now: datetime) -> None:
    if request.is_open:
        withdraw_request(request, by=by, now=now)
    elif request.state == GroupRequest.State.DONE:
        raise CannotAnswer(f"Request {request.pk} is done: the contacts are one. Undo that grouping instead.")

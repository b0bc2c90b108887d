"""The lists beside the review queue: safe pairs, what was answered, how people agree with each rule."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest

from contacts.admin.review_shown import ShownPair, rule_title, shown_pair
from contacts.models import AnswerMember, GroupDecision, GroupRequest, ReviewAnswer, SystemRef
from contacts.request_words import person
from contacts.services.matching_rules import RulesInForce
from contacts.services.review import Agreement, Place, agreement
from contacts.services.review_safe import safe_pairs

ANSWERS_PER_PAGE = 50
SAFE_PER_PAGE = 50
FEW = 5  # answers on which no share can be built
Answer = ReviewAnswer.Answer


@dataclass(frozen=True)
class AnswerLine:
    """One answer of the list. `sides`: its members as they were, with where the first stands now."""

    answer: ReviewAnswer
    by: str
    rule: str
    sides: Sequence[Sequence[SystemRef]]
    group_ids: Sequence[int | None]
    standing: str
    tone: str

    @property
    def places(self) -> list[tuple[Sequence[SystemRef], int | None]]:
        """Each side with the GroupID it stands in."""
        return list(zip(self.sides, self.group_ids, strict=True))

    @property
    def may_be_taken_back(self) -> bool:
        """Whether there is something to take back: not of what the night has done."""
        request = self.answer.request
        is_done = request is not None and request.state == GroupRequest.State.DONE
        return self.answer.taken_back_at is None and not is_done


@dataclass(frozen=True)
class AgreementLine:
    """How people answered about the pairs of one rule, with the shares of its bar."""

    title: str
    counts: Agreement
    is_doubtful: bool
    is_few: bool

    @property
    def different_percent(self) -> int:
        return 0 if self.counts.percent is None else 100 - self.counts.percent


def safe_lines(request: HttpRequest, *, rules: RulesInForce, country: str, now: datetime) -> dict[str, Any]:
    """A page of safe pairs: `lines`, and `after`, where the next one begins."""
    found = safe_pairs(request.user, now=now, after=_place(request.GET), count=SAFE_PER_PAGE)  # type: ignore[arg-type]
    lines: list[ShownPair] = [shown_pair(pair, rules=rules, country=country, now=now) for pair in found.pairs]
    return {"pairs": [line for line in lines if not line.is_household], "after": found.after}


def answered(request: HttpRequest, *, rules: RulesInForce) -> dict[str, Any]:
    """A page of answers that the user may see: `lines`, and `older`, before which the next page begins."""
    asked = request.GET
    answers: QuerySet = ReviewAnswer.objects.visible_to(request.user)
    if asked.get("said") in Answer.values:
        answers = answers.filter(answer=asked["said"])
    if asked.get("by") == "me":
        answers = answers.filter(by=request.user.pk)
    before = asked.get("before", "")
    if before.isdecimal() and len(before) < 19:
        answers = answers.filter(pk__lt=int(before))
    rows = list(
        answers.select_related("by", "request", "taken_back_by").order_by("-pk")[: ANSWERS_PER_PAGE + 1]
    )
    page = rows[:ANSWERS_PER_PAGE]
    return {
        "lines": _answer_lines(page, rules),
        "older": page[-1].pk if len(rows) > ANSWERS_PER_PAGE else None,
        "said": asked.get("said", ""),
        "mine": asked.get("by") == "me",
        "choices": Answer.choices,
    }


def agreement_lines(user: User, *, rules: RulesInForce) -> list[AgreementLine]:
    """By rule; one that people mostly contradict is marked, once enough have been asked."""
    return [
        AgreementLine(
            title=rule_title(counts.rule, rules),
            counts=counts,
            is_doubtful=counts.decided >= FEW and counts.different > counts.same,
            is_few=counts.decided < FEW,
        )
        for counts in agreement(user)
    ]


def _answer_lines(answers: Sequence[ReviewAnswer], rules: RulesInForce) -> list[AnswerLine]:
    members = (
        AnswerMember.objects.filter(answer__in=answers)
        .select_related("system_ref__system", "system_ref__mapping")
        .order_by("pk")
    )
    sides: dict[int, tuple[list[SystemRef], list[SystemRef]]] = {one.pk: ([], []) for one in answers}
    for member in members:
        sides[member.answer_id][member.side].append(member.system_ref)
    made = {rule for answer in answers for rule in answer.made}
    standing = set(GroupDecision.objects.standing().filter(pk__in=made).values_list("pk", flat=True))
    return [_answer_line(answer, sides[answer.pk], rules, standing) for answer in answers]


def _answer_line(
    answer: ReviewAnswer,
    sides: Sequence[Sequence[SystemRef]],
    rules: RulesInForce,
    decisions: Collection[int],
) -> AnswerLine:
    standing, tone = _standing(answer, decisions)
    return AnswerLine(
        answer=answer,
        by=person(answer.by) or "–",
        rule=rule_title(answer.rule, rules),
        sides=sides,
        group_ids=[_group_id(side[0]) if side else None for side in sides],
        standing=standing,
        tone=tone,
    )


def _standing(answer: ReviewAnswer, decisions: Collection[int]) -> tuple[str, str]:
    """What became of it, in words, and its tone. `decisions`: those that stand."""
    if answer.taken_back_at:
        return f"undone, {person(answer.taken_back_by) or 'somebody'}", "off"
    if answer.request:
        done = answer.request.state == GroupRequest.State.DONE
        waits = answer.request.state in GroupRequest.OPEN
        return (
            f"request {answer.request.pk} {answer.request.state}",
            "good" if done else "busy" if waits else "bad",
        )
    if answer.answer == Answer.LATER:
        return "asked again", "busy"
    if answer.made and not set(answer.made).intersection(decisions):
        return "its rule was lifted", "warn"
    return "stands", "good"


def _group_id(ref: SystemRef) -> int | None:
    mapping = getattr(ref, "mapping", None)
    return mapping.contact_id if mapping else None


def _place(asked: Any) -> Place | None:
    """Where the page before ended, from the address; nonsense begins anew."""
    weight, _, pk = asked.get("after", "").partition("_")
    try:
        return (float(weight), int(pk)) if pk.isdecimal() and len(pk) < 19 else None
    except ValueError:
        return None

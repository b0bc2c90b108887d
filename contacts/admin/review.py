"""The review queue: doubtful pairs side by side, the safe ones in bulk, the answers, and how people agree."""

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from contacts.admin.review_lists import agreement_lines, answered, safe_lines
from contacts.admin.review_shown import ShownPair, rule_title, shown_pair
from contacts.admin.sent_ids import sent_text
from contacts.admin_access import PerSystemAdmin, organisation_of
from contacts.models import Contact, ReviewAnswer
from contacts.next_night import next_night_in_words
from contacts.permissions import SystemRight, systems_of
from contacts.services.group_requests import WHY_NOT, MayNotRequest, may_group
from contacts.services.matching_rules import RulesInForce, rules_of_links
from contacts.services.review import EVERYTHING, Wanted, agreement_with, next_pairs, remaining
from contacts.services.review_answers import (
    AnsweredSince,
    CannotAnswer,
    MayNotAnswer,
    answer,
    last_answer,
    take_back,
)
from contacts.services.review_pairs import load_pair

HOME = "admin:contacts_reviewanswer_changelist"
ANSWERS = "admin:contacts_reviewanswer_answers"
MOST_AT_ONCE = 200
Answer = ReviewAnswer.Answer


@admin.register(ReviewAnswer)
class ReviewAnswerAdmin(PerSystemAdmin):
    """Who may group is asked about the pairs of which they see every ref; everybody else gets 403."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("", view(self.queue_view), name="contacts_reviewanswer_changelist"),
            path("answer/", view(self.answer_view), name="contacts_reviewanswer_answer"),
            path("safe/", view(self.safe_view), name="contacts_reviewanswer_safe"),
            path("answers/", view(self.answers_view), name="contacts_reviewanswer_answers"),
            path(
                "answers/<int:answer_id>/take-back/",
                view(self.take_back_view),
                name="contacts_reviewanswer_take_back",
            ),
            path("agreement/", view(self.agreement_view), name="contacts_reviewanswer_agreement"),
            *super().get_urls(),
        ]

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return may_group(request.user) and request.user.has_perm("contacts.view_reviewanswer")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """An answer has no page of its own: all stand in the list."""
        self._must_review(request)
        if self.get_object(request, object_id) is None:
            raise Http404
        return redirect(ANSWERS)

    def queue_view(self, request: HttpRequest) -> HttpResponse:
        """The next pair, or the one that the address names."""
        self._must_review(request)
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET"])
        now, wanted = timezone.now(), _wanted(request)
        named = _numbers(request.GET)
        rules = rules_of_links()
        shown = self._named(request, named, rules) if named else self._next(request, wanted, rules)
        last = last_answer(request.user, now=now)
        left, answered_today = (
            remaining(request.user, now=now, wanted=wanted),
            _answered_today(request.user, now),
        )
        context = {
            **self._context(request, "queue"),
            "shown": shown,
            "is_named": bool(named),
            "remaining": left,
            "answered_today": answered_today,
            "goal": max(left.count + answered_today, 1),
            "last": last,
            "last_members": _group_ids(last),
            "wanted": wanted,
            "wanted_system": request.GET.get("system", "") if wanted.system_id else "",
            "is_narrowed": wanted != EVERYTHING,
            "rules": [("", "The score alone"), *((rule.name, rule.title) for rule in rules.rules)],
            "systems": systems_of(request.user, SystemRight.VIEW),
            "night": next_night_in_words(organisation_of(request), now=now),
        }
        return TemplateResponse(request, "contacts/review/queue.html", context)

    def answer_view(self, request: HttpRequest) -> HttpResponse:
        """One answer, by form; the next pair appears at once."""
        self._must_review(request)
        if request.method != "POST":
            return redirect(HOME)
        numbers, said = _numbers(request.POST), request.POST.get("said", "")
        if numbers is None or said not in Answer.values:
            raise Http404
        now = timezone.now()
        try:
            given = answer(
                *numbers,
                Answer(said),
                key=request.POST.get("key", ""),
                by=request.user,
                now=now,
                replaces=_number(request.POST.get("replaces")),
            )
        except MayNotAnswer as refusal:
            raise PermissionDenied(str(refusal)) from refusal
        except AnsweredSince as refusal:
            self.message_user(request, f"{_both(numbers)}: {refusal}", messages.WARNING)
            return redirect(_queue(request))
        except CannotAnswer as refusal:
            self.message_user(request, f"{_both(numbers)}: {refusal} Nothing was answered.", messages.WARNING)
            return redirect(_pair_address(numbers))
        self.message_user(request, f"{_both(numbers)}: {self._said(given, request)}", messages.SUCCESS)
        return redirect(_queue(request))

    def take_back_view(self, request: HttpRequest, answer_id: int) -> HttpResponse:
        """Undo one answer; its pair is shown again."""
        self._must_review(request)
        if request.method != "POST":
            return redirect(ANSWERS)
        given = self.get_queryset(request).filter(pk=answer_id).first()
        if given is None:
            raise Http404
        try:
            take_back(given, by=request.user, now=timezone.now())
        except MayNotAnswer as refusal:
            raise PermissionDenied(str(refusal)) from refusal
        except CannotAnswer as refusal:
            self.message_user(request, str(refusal), messages.WARNING)
            return redirect(HOME if request.POST.get("from") == "queue" else ANSWERS)
        self.message_user(request, f"“{given.get_answer_display()}” is undone.", messages.SUCCESS)
        if request.POST.get("from") != "queue":
            return redirect(ANSWERS)
        numbers = _group_ids(given)
        return redirect(_pair_address(numbers) if len(numbers) == 2 else _queue(request))

    def safe_view(self, request: HttpRequest) -> HttpResponse:
        """Pairs against which nothing speaks; “same” for all that are chosen, each on its own."""
        self._must_review(request)
        done, refused = 0, []
        if request.method == "POST":
            done, refused = self._answer_all(request)
        now, rules = timezone.now(), rules_of_links()
        context = {
            **self._context(request, "safe"),
            **safe_lines(request, rules=rules, country=organisation_of(request).default_country, now=now),
            "done": done,
            "refused": refused,
            "night": next_night_in_words(organisation_of(request), now=now),
        }
        return TemplateResponse(request, "contacts/review/safe.html", context)

    def answers_view(self, request: HttpRequest) -> HttpResponse:
        """Who answered what, and when; the newest first."""
        self._must_review(request)
        context = {**self._context(request, "answers"), **answered(request, rules=rules_of_links())}
        return TemplateResponse(request, "contacts/review/answers.html", context)

    def agreement_view(self, request: HttpRequest) -> HttpResponse:
        """How often people said that a rule was right to suspect one person."""
        self._must_review(request)
        lines = agreement_lines(request.user, rules=rules_of_links())
        context = {**self._context(request, "agreement"), "lines": lines}
        return TemplateResponse(request, "contacts/review/agreement.html", context)

    def _must_review(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):
            raise PermissionDenied(WHY_NOT)

    def _context(self, request: HttpRequest, tab: str) -> dict[str, Any]:
        return {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Review queue",
            "crumbs": [("Review queue", "")],
            "tab": tab,
            "currency": organisation_of(request).currency,
        }

    def _next(self, request: HttpRequest, wanted: Wanted, rules: RulesInForce) -> ShownPair | None:
        pairs = next_pairs(request.user, now=timezone.now(), wanted=wanted)
        return self._shown(request, pairs[0], rules) if pairs else None

    def _named(self, request: HttpRequest, numbers: tuple[int, int], rules: RulesInForce) -> ShownPair:
        """404 for what may not be seen; 403 for Contacts that are seen in part."""
        pair = load_pair(*numbers, request.user)
        if pair is not None:
            return self._shown(request, pair, rules)
        if (
            len(set(numbers)) < 2
            or Contact.objects.filter(pk__in=numbers).visible_to(request.user).count() < 2
        ):
            raise Http404
        raise PermissionDenied(str(MayNotRequest()))

    def _shown(self, request: HttpRequest, pair: Any, rules: RulesInForce) -> ShownPair:
        country = organisation_of(request).default_country
        shown = shown_pair(pair, rules=rules, country=country, now=timezone.now())
        rule = pair.link.rule if pair.link else pair.earlier[0].rule if pair.earlier else None
        agreed = None if rule is None else agreement_with(rule, request.user)
        title = "" if rule is None else rule_title(rule, rules)
        return replace(shown, agreement=agreed, rule=title)

    def _said(self, given: ReviewAnswer, request: HttpRequest) -> str:
        night = next_night_in_words(organisation_of(request), now=given.at)
        return {
            Answer.SAME: f"the same person. They will be grouped {night}.",
            Answer.DIFFERENT: "different people. No night groups them.",
            Answer.LATER: "asked again tomorrow morning.",
        }[Answer(given.answer)]

    def _answer_all(self, request: HttpRequest) -> tuple[int, list[tuple[int, int, str]]]:
        """How many were answered, and of the others both GroupIDs and why not; each stands on its own."""
        done, refused, forbidden = 0, [], 0
        for sent in request.POST.getlist("pair")[:MOST_AT_ONCE]:
            one, _, rest = sent.partition("-")
            other, _, key = rest.partition("-")
            left, right = _number(one), _number(other)
            if left is None or right is None:
                raise Http404
            try:
                answer(left, right, Answer.SAME, key=key, by=request.user, now=timezone.now())
                done += 1
            except CannotAnswer as refusal:
                refused.append((left, right, str(refusal)))
                forbidden += isinstance(refusal, MayNotAnswer)
        if forbidden and not done:
            raise PermissionDenied(str(MayNotRequest()))
        return done, refused


def _wanted(request: HttpRequest) -> Wanted:
    asked = request.GET if request.method != "POST" else request.POST
    rule = sent_text(asked.get("rule", "any"))
    code = asked.get("system", "")
    system = next((s.pk for s in systems_of(request.user, SystemRight.VIEW) if s.code == code), None)
    return Wanted(rule=None if rule == "any" else rule, system_id=system)


def _queue(request: HttpRequest) -> str:
    """The queue's address, narrowed as it was."""
    kept = {name: request.POST[name] for name in ("rule", "system") if name in request.POST}
    kept = {name: value for name, value in kept.items() if value != "any"}
    return f"{reverse(HOME)}?{urlencode(kept)}" if kept else reverse(HOME)


def _pair_address(numbers: Any) -> str:
    left, right = numbers
    return f"{reverse(HOME)}?{urlencode({'left': left, 'right': right})}"


def _number(sent: Any) -> int | None:
    return int(sent) if sent and str(sent).isdecimal() and len(str(sent)) < 19 else None


def _numbers(sent: Any) -> tuple[int, int] | None:
    """Both GroupIDs, where two are named; 404 for nonsense."""
    if "left" not in sent and "right" not in sent:
        return None
    left, right = _number(sent.get("left")), _number(sent.get("right"))
    if left is None or right is None:
        raise Http404
    return left, right


def _both(numbers: tuple[int, int]) -> str:
    return f"GroupID {min(numbers)} and {max(numbers)}"


def _answered_today(user: Any, now: Any) -> int:
    start = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    return ReviewAnswer.objects.standing().filter(by=user, at__gte=start).count()


def _group_ids(given: ReviewAnswer | None) -> list[int]:
    """The GroupIDs of the members as they stand, the lower first; two while the pair is one."""
    if given is None:
        return []
    places = given.members.values_list("system_ref__mapping__contact_id", flat=True)
    return sorted({place for place in places if place is not None})

"""One link explained: the rule in a sentence, or the evidence as two waterfalls over one table."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from contacts.contact_page import drawing
from contacts.grouping import explain
from contacts.grouping.candidates import BAD_KEY_SCHEMA
from contacts.grouping.model import FREQUENCY_SCHEMA, Model
from contacts.grouping.records import Guard
from contacts.grouping.rules import MUST, NEVER_REACHED
from contacts.model_words import level_in_words
from contacts.models import GroupDecision, Link, ModelVersion, SystemRef
from contacts.models.group_decision import MERGED_AT_SOURCE
from contacts.services.matching_rules import RulesInForce

# The fields of a System Ref behind each comparison of the engine.
COMPARED: dict[str, Sequence[str]] = {
    "first": ("first_name",),
    "last": ("last_name",),
    "birth": ("date_of_birth",),
    "email": ("email",),
    "mobile": ("mobile",),
    "phone": ("phone",),
    "address": ("address1", "postcode", "city"),
}
_GUARDS = {
    "never": "A person said that they never belong together.",
    "birth_date": "The dates of birth speak against it.",
    "size": "The group would have become too large to be one person.",
    "excluded": "One of the systems is kept out of matching across systems.",
    "names": "The names clearly differ.",
}
_KEPT_APART = "A guard kept them apart."
_BY_A_PERSON = "A person said that they belong together."


@dataclass(frozen=True)
class Joint:
    """What holds two refs together: the engine's link, a person's decision, or both."""

    link: Link | None = None
    decision: GroupDecision | None = None

    @property
    def is_decided(self) -> bool:
        return self.decision is not None or (self.link is not None and self.link.rule == MUST)

    @property
    def strength(self) -> float:
        """As the engine ranks links; a person's decision holds above any score."""
        if self.is_decided or self.link is None:
            return 1000.0
        return self.link.weight + self.link.household

    @property
    def weight(self) -> float:
        """Bits versus a stranger; for a bare decision as thick as a sure link."""
        return self.link.weight if self.link else 20.0


@dataclass(frozen=True)
class Step:
    """One bar of a waterfall, from running total to running total, in bits and in places of its picture."""

    weight: float
    total: float
    x: float
    width: float
    start: float
    end: float

    @property
    def is_plus(self) -> bool:
        return self.weight >= 0


@dataclass(frozen=True)
class EvidenceLine:
    """One comparison: both values, how they agree, what that weighs against a stranger and a housemate."""

    label: str
    left: str
    right: str
    level: str
    stranger: Step
    housemate: Step
    is_start: bool = False


@dataclass(frozen=True)
class Waterfall:
    """The frame of one column of bars: where nought and the threshold lie, and what came out."""

    width: int
    nought: float
    threshold: float
    needed: float
    total: float

    @property
    def is_reached(self) -> bool:
        return self.total >= self.needed


@dataclass(frozen=True)
class Explained:
    """A joined link as the page shows it."""

    left: SystemRef
    right: SystemRef
    sentence: str
    decided: GroupDecision | None
    is_weakest: bool
    by_rule: bool
    lines: Sequence[EvidenceLine] = ()
    stranger: Waterfall | None = None
    housemate: Waterfall | None = None
    agreeing: Sequence[str] = ()


@lru_cache(maxsize=32)
def _model(settings: str) -> Model:
    return Model.from_json(
        settings, frequencies=FREQUENCY_SCHEMA.empty_table(), bad_keys=BAD_KEY_SCHEMA.empty_table()
    )


def settings_of(version: ModelVersion) -> Model:
    """The weights and thresholds that a link was decided with; its hashes are not needed to explain."""
    kept = {name: value for name, value in version.settings.items() if name != "key_check"}
    return _model(
        json.dumps({"version": version.number, "population": version.population} | kept | {"hash_key": ""})
    )


def _decided_by(link: Link, rules: RulesInForce) -> Model:
    """The link's model with the thresholds of the rules; one that nothing reaches cannot be drawn."""
    drawable = rules
    if rules.join_weight == NEVER_REACHED:
        drawable = replace(rules, join_weight=None)
    return drawable.applied_to(settings_of(link.model_version))


def explain_joint(
    joint: Joint, left: SystemRef, right: SystemRef, *, rules: RulesInForce, is_weakest: bool
) -> Explained:
    """What holds two refs together rests on this."""
    link, decision = joint.link, joint.decision
    if link is None or not link.evidence:
        sentence = _decided(decision) or _BY_A_PERSON
        return Explained(left, right, sentence, decision, is_weakest, by_rule=False)
    model = _decided_by(link, rules)
    lines, stranger, housemate = _evidence(link, left, right, model)
    agreeing = [f"{line.label.lower()}: {line.level}" for line in lines[1:] if line.stranger.weight > 0.5]
    return Explained(
        left=left,
        right=right,
        sentence=_decided(decision) or in_words(link, rules=rules),
        decided=decision,
        is_weakest=is_weakest,
        by_rule=bool(link.rule),
        lines=lines,
        stranger=stranger,
        housemate=housemate,
        agreeing=agreeing,
    )


def in_words(link: Link, *, rules: RulesInForce, hides: bool = False) -> str:
    """The decision on a pair, as a sentence; with `hides` it says nothing of the size of a group.

    `rules`: those by which it was decided. A rule that is not one of them is named as the link names it.
    """
    if link.guard:
        return _KEPT_APART if hides and link.guard == Guard.SIZE else _GUARDS.get(link.guard, _KEPT_APART)
    if link.rule == MUST:
        return _BY_A_PERSON
    if link.rule:
        sentence = next((rule.sentence for rule in rules.rules if rule.name == link.rule), "")
        if sentence:
            return sentence
        return f"The rule “{link.rule}” holds."
    if link.decision == Link.Decision.JOINED:
        return "Taken together, what they share is too much for chance and for one household."
    if link.weight >= _decided_by(link, rules).join_weight:
        return "They agree like one household, not like one person."
    return "They share something, but less than it takes to call them one person."


def _decided(decision: GroupDecision | None) -> str:
    if decision is None:
        return ""
    if decision.author is None and decision.reason == MERGED_AT_SOURCE:
        return "Their system merged the one account into the other."
    who = (decision.author.get_full_name() or decision.author.username) if decision.author else "Someone"
    return f"{who} said that they belong together.{f' “{decision.reason}”' if decision.reason else ''}"


def _evidence(
    link: Link, left: SystemRef, right: SystemRef, model: Model
) -> tuple[list[EvidenceLine], Waterfall, Waterfall]:
    stranger = explain.waterfall(link.evidence, model, against="stranger")
    housemate = explain.waterfall(link.evidence, model, against="housemate")
    strangers, stranger_frame = _steps(stranger, model.join_weight)
    housemates, housemate_frame = _steps(housemate, model.join_household)
    lines = [EvidenceLine("Before looking", "", "", "", strangers[0], housemates[0], is_start=True)]
    for number, comparison in enumerate(explain.COMPARISONS, start=1):
        if stranger[number].level_label == explain.UNKNOWN:
            continue
        fields = COMPARED[comparison.key]
        lines.append(
            EvidenceLine(
                label=comparison.label,
                left=_said(left, fields),
                right=_said(right, fields),
                level=level_in_words(stranger[number].level_label),
                stranger=strangers[number],
                housemate=housemates[number],
            )
        )
    return lines, stranger_frame, housemate_frame


def _said(ref: SystemRef, fields: Sequence[str]) -> str:
    values: list[Any] = [getattr(ref, field) for field in fields]
    return ", ".join(f"{v:%-d %b %Y}" if hasattr(v, "year") else str(v) for v in values if v)


def _steps(bars: Sequence[explain.Bar], needed: float) -> tuple[list[Step], Waterfall]:
    totals = [bar.running_total for bar in bars]
    scale = drawing.scale(totals, needed)
    steps, before = [], 0.0
    for bar in bars:
        start, end = scale.at(before), scale.at(bar.running_total)
        steps.append(
            Step(
                bar.weight, bar.running_total, min(start, end), max(round(abs(end - start), 1), 1), start, end
            )
        )
        before = bar.running_total
    return steps, Waterfall(scale.width, scale.at(0), scale.at(needed), needed, totals[-1])

"""What the screen “Why not?” shows of two Contacts, over the refs that its user may see."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from contacts.contact_page.differences import Difference, difference
from contacts.contact_page.parts import Shown
from contacts.contact_page.why_links import Explained, Joint, explain_joint
from contacts.models import GroupDecision, Link
from contacts.models.person_details import DETAIL_FIELDS, name_of
from contacts.services.why_not import ComparedPair, Way, WhyNot
from contacts.services.why_not_rules import NAMES, RuleStanding

_ALWAYS = ("first_name", "last_name", "email", "phone", "mobile")


@dataclass(frozen=True)
class SideBySide:
    """A field with both golden values; `difference` marks the right one."""

    label: str
    left: Any
    right: Any
    difference: Difference


@dataclass(frozen=True)
class WayInWords:
    """“If … were equal”: the fields with the value that both would have, and what would hold then."""

    fields: str
    values: Sequence[tuple[str, str]]
    rule: RuleStanding | None
    weight: float
    household: float

    @property
    def are_several(self) -> bool:
        return len(self.values) > 1


@dataclass(frozen=True)
class Shortfall:
    """Bits of the strongest pair beside those needed, versus a stranger and versus a housemate."""

    weight: float
    needed: float
    household: float
    needed_household: float

    @property
    def missing(self) -> float:
        return max(self.needed - self.weight, 0)

    @property
    def missing_household(self) -> float:
        return max(self.needed_household - self.household, 0)


@dataclass(frozen=True)
class ShownAnswer:
    """The answer with everything as the page says it."""

    answer: WhyNot
    strongest: ComparedPair
    explained: Sequence[Explained]
    ways: Sequence[WayInWords]
    shortfall: Shortfall
    nearest: RuleStanding | None
    clash: tuple[str, str] | None
    birth_dates: tuple[Any, Any]

    @property
    def decision(self) -> GroupDecision | None:
        return self.answer.decisions[0] if self.answer.decisions else None


def side_by_side(left: Shown, right: Shown) -> list[SideBySide]:
    """The golden values of both, one line per field that somebody fills."""
    lines = []
    for field in DETAIL_FIELDS:
        one, other = (shown.golden[field].value if field in shown.golden else None for shown in (left, right))
        if one in (None, "") and other in (None, "") and field not in _ALWAYS:
            continue
        stands = difference(field, other, one, country=left.country)
        if one in (None, ""):  # nothing to differ from
            stands = Difference.BLANK if other in (None, "") else Difference.SAME
        lines.append(SideBySide(name_of(field), one, other, stands))
    return lines


def in_words(answer: WhyNot) -> ShownAnswer:
    """The answer for templates/contacts/why_not/answer.html."""
    strongest = answer.pairs[0]
    nearest = _nearest(strongest)
    failing = nearest.failing if nearest else []
    clash = next(((c.left, c.right) for c in failing if c.field == NAMES), None)
    (needed, needed_household), link = answer.needed, strongest.link
    return ShownAnswer(
        answer=answer,
        strongest=strongest,
        explained=[_explained(pair, answer) for pair in answer.pairs],
        ways=[_way(way) for way in answer.ways],
        shortfall=Shortfall(link.weight, needed, link.household, needed_household),
        nearest=nearest,
        clash=clash,
        birth_dates=(strongest.left.date_of_birth, strongest.right.date_of_birth),
    )


def _nearest(pair: ComparedPair) -> RuleStanding | None:
    """The rule of the link, which a guard or the names contest; else the one that lacks least."""
    named = next((rule for rule in pair.rules if rule.name == pair.link.rule), None)
    return named or pair.nearest


def _explained(pair: ComparedPair, answer: WhyNot) -> Explained:
    said = explain_joint(Joint(pair.link), pair.left, pair.right, rules=answer.rules, is_weakest=False)
    is_by_rule = said.by_rule and pair.link.decision != Link.Decision.REVIEW
    return replace(said, by_rule=is_by_rule)


def _way(way: Way) -> WayInWords:
    fields = [equal.field for equal in way.edit.equal]
    names = ["a phone" if field.startswith("any ") else f"the {field}" for field in fields]
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    values = [(equal.field, equal.value) for equal in way.edit.equal]
    return WayInWords(listed, values, way.rule, way.weight, way.household)

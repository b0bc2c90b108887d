"""A pair of the review as it is shown: both sides field by field, what was compared, what was said before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from contacts.contact_page.differences import Difference, difference
from contacts.contact_page.why_links import Explained, Joint, Waterfall, explain_joint
from contacts.models import Contact, GroupDecision, ReviewAnswer, SystemRef
from contacts.models.person_details import DETAIL_FIELDS, name_of
from contacts.request_words import person
from contacts.services.golden import golden_of
from contacts.services.leaders import leader_first
from contacts.services.matching_rules import RulesInForce
from contacts.services.review import Agreement
from contacts.services.review_pairs import Pair
from contacts.survivorship import Golden

_ALWAYS = ("first_name", "last_name", "email", "phone", "mobile", "date_of_birth")
_ADDRESS = ("address1", "postcode")
MOST_OTHERS = 3
MOST_BARS = 3


@dataclass(frozen=True)
class Cell:
    """The golden value of one side, how it stands to the other side's, and what other refs of it say."""

    value: Any
    difference: Difference
    others: Sequence[Any]


@dataclass(frozen=True)
class Line:
    """One field of both sides."""

    label: str
    left: Cell
    right: Cell


@dataclass(frozen=True)
class Side:
    """One Contact of the pair."""

    contact: Contact
    name: str
    refs: Sequence[SystemRef]
    spent: Decimal
    last_purchased_at: datetime | None


@dataclass(frozen=True)
class Said:
    """An earlier answer, and which members it was about; it is about these very ones if `is_same_members`."""

    answer: ReviewAnswer
    by: str
    is_same_members: bool


@dataclass(frozen=True)
class ShownPair:
    """What contacts/review/pair.html shows. `refusal`: why “same” cannot be chosen; blank where it can."""

    pair: Pair
    left: Side
    right: Side
    lines: Sequence[Line]
    blank: Sequence[str]
    why: Explained | None
    rule: str
    is_household: bool
    bars: Sequence[GroupDecision]
    more_bars: int
    refusal: str
    earlier: Sequence[Said]
    held: Said | None
    agreement: Agreement | None = None

    @property
    def both(self) -> tuple[Side, Side]:
        return (self.left, self.right)

    @property
    def frames(self) -> list[Waterfall]:
        """Both waterfalls' sums, where there are any."""
        return [frame for frame in (self.why.stranger, self.why.housemate) if frame] if self.why else []


def shown_pair(pair: Pair, *, rules: RulesInForce, country: str, now: datetime) -> ShownPair:
    """The pair with its values read now; asks the database nothing."""
    golden = [golden_of(contact.visible_mappings, contact.pins.all()) for contact in (pair.left, pair.right)]  # type: ignore[attr-defined]
    left, right = (_side(contact, of) for contact, of in zip((pair.left, pair.right), golden, strict=True))
    filled = [f for f in DETAIL_FIELDS if f in _ALWAYS or any(f in one for one in golden)]
    held = pair.holding_answer(now)
    bars = [bar for bar in pair.bars if not bar.is_for_one_run]
    return ShownPair(
        pair=pair,
        left=left,
        right=right,
        lines=[_line(field, left, right, golden, country) for field in filled],
        blank=[name_of(field) for field in DETAIL_FIELDS if field not in filled],
        why=_why(pair, left, rules),
        rule=rule_title(pair.link.rule, rules) if pair.link and pair.link.rule else "",
        is_household=_is_household(left.refs, right.refs, country),
        bars=bars[:MOST_BARS],
        more_bars=max(len(bars) - MOST_BARS, 0),
        refusal="A do-not-group rule stands between them: lift it first." if bars else "",
        earlier=[_said(answer, pair) for answer in pair.earlier if answer is not held],
        held=_said(held, pair) if held else None,
    )


def rule_title(name: str, rules: RulesInForce) -> str:
    """What people call a rule; one that is no longer in force by its name."""
    if not name:
        return "The score alone"
    return next((rule.title for rule in rules.rules if rule.name == name), name)


def full_name(golden: Mapping[str, Golden]) -> str:
    """First and last name, as far as they are known."""
    return " ".join(str(golden[f].value) for f in ("first_name", "last_name") if f in golden)


def _side(contact: Any, golden: Mapping[str, Golden]) -> Side:
    refs = [mapping.system_ref for mapping in leader_first(contact.visible_mappings)]
    return Side(
        contact=contact,
        name=full_name(golden),
        refs=refs,
        spent=sum((ref.spent_total for ref in refs), Decimal(0)),
        last_purchased_at=max((r.last_purchased_at for r in refs if r.last_purchased_at), default=None),
    )


def _line(field: str, left: Side, right: Side, golden: Sequence[Mapping[str, Golden]], country: str) -> Line:
    one, other = (of[field].value if field in of else None for of in golden)
    return Line(
        label=name_of(field),
        left=_cell(field, one, other, left.refs, country),
        right=_cell(field, other, one, right.refs, country),
    )


def _cell(field: str, value: Any, other: Any, refs: Sequence[SystemRef], country: str) -> Cell:
    """Only where both sides have a value can they differ."""
    standing = difference(field, value, other, country=country)
    if value not in (None, "") and other in (None, ""):
        standing = Difference.SAME
    others = dict.fromkeys(getattr(ref, field) for ref in refs)
    told = [
        one
        for one in others
        if one not in (None, "") and difference(field, one, value, country=country) is not Difference.SAME
    ]
    return Cell(value, standing, told[:MOST_OTHERS])


def _why(pair: Pair, left: Side, rules: RulesInForce) -> Explained | None:
    """The link with the left side's ref on the left. Of a pair that waits for a person no rule decided."""
    link = pair.link
    if link is None:
        return None
    here = {ref.pk: ref for ref in left.refs}
    ends = [link.left, link.right] if link.left_id in here else [link.right, link.left]
    told = explain_joint(Joint(link), *ends, rules=rules, is_weakest=False)
    return told if link.decision == "joined" else replace(told, by_rule=False)


def _is_household(left: Sequence[SystemRef], right: Sequence[SystemRef], country: str) -> bool:
    """Whether refs of both sides share an address and a last name, under first names that clearly differ."""

    def alike(field: str, one: SystemRef, other: SystemRef) -> Difference:
        return difference(field, getattr(one, field), getattr(other, field), country=country)

    return any(
        all(alike(field, one, other) is Difference.SAME for field in ("last_name", *_ADDRESS))
        and alike("first_name", one, other) is Difference.OTHER
        for one in left
        for other in right
    )


def _said(answer: ReviewAnswer, pair: Pair) -> Said:
    return Said(answer, person(answer.by) or "Somebody", answer.key == pair.key)

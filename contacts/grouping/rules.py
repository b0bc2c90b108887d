"""The rules a CRM manager can read and edit: which agreement makes two refs one person."""

import hashlib
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import product

from contacts.grouping.candidates import KeyKind

MUST = "person"  # the rule name of a link that a person decided
# A rule's name goes into SQL and into every link: letters, digits and _ only.
NAME = re.compile(r"[a-z][a-z0-9_]{0,29}")
# Above any weight there is: as a threshold it lets nothing through, and is a number to SQL, unlike infinity.
NEVER_REACHED = 1_000_000.0
LONGEST_KIND = 30
# What the engine's own kinds of key look at (candidates.KEY_KINDS). So few share one of the first that a
# finer key would find no more, whatever else a rule demands; the others do for a rule that demands no more.
_FINE_ENOUGH = (
    {"e-mail"},
    {"mobile"},
    {"last name", "date of birth"},
    {"first name", "date of birth"},
    {"date of birth", "postcode"},
)
_ENOUGH_ALONE = ({"postcode", "last name"}, {"postcode", "first name"}, {"first name", "last name"})
# A phone that many share is blanked, hence as good as an e-mail; but no kind of the engine's has it alone.
_PHONES = ("any phone", "business phone")


class Comparator(StrEnum):
    """How two values are held against each other.

    EXACT: as typed, but for case and surrounding blanks, and normalised the same. NORMALISED: without
    accents, punctuation, trunk prefixes. FUZZY: alike from the threshold on (Jaro-Winkler, 0 to 1); first
    names also as nicknames, addresses only with the same house number; a number or a date has no "alike" and
    is compared normalised.
    """

    EXACT = "exact"
    NORMALISED = "normalised"
    FUZZY = "fuzzy"


# What a criterion may name: a field, or a group of which any value may agree with any other.
FIELDS: dict[str, tuple[str, ...]] = {
    "first name": ("fn",),
    "last name": ("ln",),
    "e-mail": ("em",),
    "business phone": ("ph",),
    "mobile": ("mob",),
    "any phone": ("ph", "mob"),
    "company": ("co",),
    "address": ("ad",),
    "postcode": ("pc",),
    "city": ("city",),
    "date of birth": ("dob",),
}
_ALIKE_COSTS = {"address": 1, "postcode": 2, "first name": 4}
WITHOUT_ALIKE = {"ph", "mob", "dob"}


@dataclass(frozen=True)
class Criterion:
    """One agreement. A blank never agrees; with `blank_is_no_objection` it does not forbid the rule."""

    field: str
    comparator: Comparator = Comparator.NORMALISED
    threshold: float = 0.88
    blank_is_no_objection: bool = False

    def __post_init__(self) -> None:
        if self.field not in FIELDS:
            raise UnusableRule(f"“{self.field}” is not a field that can be compared.")
        if not 0 < self.threshold <= 1:
            raise UnusableRule(f"The threshold {self.threshold} does not lie between 0 and 1.")


@dataclass(frozen=True)
class Rule:
    """All criteria must agree. With `names_must_agree`, pairs whose names clearly differ go to review.

    A blank name or an initial agrees only while it cannot stand for two different people who share the
    same values (C-5, DECISIONS 13). `name` is what links keep, `title` what people call the rule, `sentence`
    what it says in words.
    """

    name: str
    sentence: str
    criteria: Sequence[Criterion]
    names_must_agree: bool = False
    is_active: bool = True
    title: str = ""

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name) or self.name == MUST:
            raise UnusableRule("The name of a rule is small letters, digits and _, and at most 30 of them.")
        if all(criterion.blank_is_no_objection for criterion in self.criteria):
            raise UnusableRule(f"The rule “{self.name}” needs a criterion that blanks do not satisfy.")


class UnusableRule(ValueError):
    """Says which part of a rule cannot be used."""


def _same(field: str) -> Criterion:
    return Criterion(field, Comparator.NORMALISED)


def _alike(field: str, threshold: float = 0.88, *, blank_is_no_objection: bool = False) -> Criterion:
    return Criterion(field, Comparator.FUZZY, threshold, blank_is_no_objection)


COMPANY_ALIKE = _alike("company", blank_is_no_objection=True)

DEFAULT_RULES: Sequence[Rule] = (
    Rule(
        "email",
        "The e-mail is the same and the names agree.",
        [_same("e-mail")],
        names_must_agree=True,
        title="Same e-mail",
    ),
    Rule(
        "address",
        "The last name is the same; first name, company, address and postcode are alike.",
        [
            _same("last name"),
            _alike("first name"),
            COMPANY_ALIKE,
            _alike("address"),
            _alike("postcode", 0.95),
        ],
        title="Same name and address",
    ),
    Rule(
        "phone",
        "The last name and the business phone are the same; first name and company are alike.",
        [_same("last name"), _same("business phone"), _alike("first name"), COMPANY_ALIKE],
        title="Same name and business phone",
    ),
)


class Holds(StrEnum):
    """How a rule holds: YES, only by a blank name or an initial (FAINTLY), or but for the names (CLASHES)."""

    YES = "yes"
    FAINTLY = "faintly"
    CLASHES = "clashes"


@dataclass(frozen=True)
class Outcome:
    """One way a rule can hold, and the SQL over a pair (columns fn_l, fn_r...) that says so.

    `least` is cheaper SQL, true wherever `sql` is; none means `sql` itself.
    """

    rule: str
    holds: Holds
    sql: str
    least: str = ""


def outcomes(rules: Sequence[Rule]) -> list[Outcome]:
    """The outcomes of the active rules; the first whose SQL is true is the pair's."""
    active = [rule for rule in rules if rule.is_active]
    firm, faint, clashing = [], [], []
    for rule in active:
        cheapest_first = sorted(rule.criteria, key=_cost)
        agrees = in_turn(*(criterion_sql(criterion) for criterion in cheapest_first))
        cheap = [c for c in cheapest_first if c.field != "first name"] or cheapest_first
        least = in_turn(*(criterion_sql(criterion) for criterion in cheap))
        if rule.names_must_agree:
            firm.append(Outcome(rule.name, Holds.YES, in_turn(agrees, NAMES_AGREE), least))
            clashing.append(Outcome(rule.name, Holds.CLASHES, in_turn(agrees, NAMES_CLASH), least))
            faint.append(Outcome(rule.name, Holds.FAINTLY, agrees, least))
        else:
            firm.append(Outcome(rule.name, Holds.YES, agrees, least))
    return firm + clashing + faint


def _cost(criterion: Criterion) -> int:
    """A rank: what settles most pairs for least comes first; names, the dearest, agree on most pairs."""
    return 0 if demands_equality(criterion) else _ALIKE_COSTS.get(criterion.field, 3)


def key_kinds(rules: Sequence[Rule]) -> list[KeyKind]:
    """Candidate keys for active rules of a manager's own, from the criteria that demand equality.

    As few as will do, for each is kept of every ref; the default rules are covered by the engine's own. A
    kind is named after what it looks at, not after the rule. A rule that demands no equality finds its pairs
    among the other candidates only.
    """
    covered = [list(rule.criteria) for rule in DEFAULT_RULES]
    kinds: dict[str, KeyKind] = {}
    for rule in rules:
        fields = {c.field for c in rule.criteria if demands_equality(c)}
        if not rule.is_active or not fields or list(rule.criteria) in covered:
            continue
        if fields in _ENOUGH_ALONE or any(enough <= fields for enough in _FINE_ENOUGH):
            continue
        phone = next((field for field in _PHONES if field in fields), None)
        kinds |= {kind.name: kind for kind in _kinds_over([phone] if phone else sorted(fields))}
    return list(kinds.values())


def _kinds_over(fields: Sequence[str]) -> list[KeyKind]:
    """One kind over these fields; of a group one for each of its columns, searched together."""
    family = "_".join(FIELDS[field][0] if len(FIELDS[field]) == 1 else "any" for field in fields)
    kinds = []
    for columns in product(*(FIELDS[field] for field in fields)):
        parts = [
            column if len(FIELDS[field]) == 1 else f"any_{column}"
            for field, column in zip(fields, columns, strict=True)
        ]
        is_group = any(part.startswith("any_") for part in parts)
        kinds.append(
            KeyKind(_kind_name("_".join(parts)), list(columns), family=_kind_name(family) if is_group else "")
        )
    return kinds


def _kind_name(parts: str) -> str:
    name = f"rule_{parts}"
    return name if len(name) <= LONGEST_KIND else f"rule_{hashlib.sha256(parts.encode()).hexdigest()[:20]}"


def typed_columns(rules: Sequence[Rule]) -> Collection[str]:
    """The comparable columns that an active rule compares as typed."""
    return sorted(
        {
            column
            for rule in rules
            if rule.is_active
            for criterion in rule.criteria
            if criterion.comparator is Comparator.EXACT
            for column in FIELDS[criterion.field]
        }
    )


def has_alike(field: str) -> bool:
    """Whether two values of the field can be alike without being the same."""
    return FIELDS[field][0] not in WITHOUT_ALIKE


def demands_equality(criterion: Criterion) -> bool:
    """Whether pairs for this criterion can be found by a key."""
    is_equality = criterion.comparator is not Comparator.FUZZY or not has_alike(criterion.field)
    return is_equality and not criterion.blank_is_no_objection


def criterion_sql(criterion: Criterion) -> str:
    """SQL over a pair (columns fn_l, fn_r...): the criterion is met; never null."""
    columns = FIELDS[criterion.field]
    ways = [_agreement_sql(left, right, criterion) for left in columns for right in columns]
    if criterion.blank_is_no_objection:
        blanks = [f"coalesce({', '.join(f'{c}_{side}' for c in columns)}) is null" for side in "lr"]
        return either(*blanks, *ways)
    return f"coalesce({ways[0]}, false)" if len(ways) == 1 else either(*ways)


def _agreement_sql(left: str, right: str, criterion: Criterion) -> str:
    equal = f"{left}_l = {right}_r"
    if criterion.comparator is Comparator.EXACT:
        return f"(typed_{left}_l = typed_{right}_r and {equal})"
    if criterion.comparator is Comparator.NORMALISED or left in WITHOUT_ALIKE:
        return equal
    alike = similar(left, criterion.threshold)
    if left == "fn":
        return either(FIRST_NAMES_ALIKE, in_turn(NO_INITIAL, alike))
    if left == "ad":
        same_number = "hn_l is not distinct from hn_r"
        return either(equal, in_turn(same_number, similar("street", criterion.threshold)))
    return either(equal, alike)


def in_turn(*conditions: str) -> str:
    """SQL: all hold, each asked only where those before it hold.

    DuckDB evaluates every side of an AND, but only one branch of a CASE: a hundredfold on edit distances.
    """
    *before, last = conditions
    sql = f"coalesce({last}, false)"
    for condition in reversed(before):
        sql = f"case when {condition} then {sql} else false end"
    return sql


def either(*conditions: str) -> str:
    """SQL: one holds, each asked only where none before it does; unknown is no. Put the cheap ones first."""
    *before, last = conditions
    asked = " ".join(f"when {condition} then true" for condition in before)
    return f"(case {asked} else coalesce({last}, false) end)"


def similar(column: str, threshold: float) -> str:
    """SQL: the two values of a pair are alike."""
    return similar_to(f"{column}_l", f"{column}_r", threshold)


def similar_to(left: str, right: str, threshold: float) -> str:
    """SQL: two values are alike."""
    return f"jaro_winkler_similarity({left}, {right}) >= {threshold}"


# Mary Ann and Mary Jane are not one Mary: the first word stands for the whole only where one side has one.
# Most names have no nickname; that is no reason not to know whether two of them agree.
_COMMON_ROOT = in_turn("root_bits_l & root_bits_r <> 0", "contains(kin_l, concat('|', ft_r, '|'))")
NICKNAMES = in_turn("is_one_word_l or is_one_word_r", either("ft_l = ft_r", _COMMON_ROOT))
SWAPPED = in_turn(
    "fn_l <> fn_r and ln_l <> ln_r",
    "jaro_winkler_similarity(fn_l, ln_r) >= 0.9",
    "jaro_winkler_similarity(ln_l, fn_r) >= 0.9",
)
INITIALS = in_turn("is_initial_l or is_initial_r", "left(fn_l, 1) = left(fn_r, 1)")
NO_INITIAL = "not is_initial_l and not is_initial_r"
FIRST_NAMES_ALIKE = either("fn_l = fn_r", in_turn(NO_INITIAL, NICKNAMES))

_FIRST_AGREES = either(
    "fn_l = fn_r and length(fn_l) > 1", in_turn(NO_INITIAL, either(NICKNAMES, similar("fn", 0.88)))
)
_LAST_AGREES = either("ln_l = ln_r", similar("ln", 0.88))
NAMES_AGREE = either(in_turn(_FIRST_AGREES, _LAST_AGREES), SWAPPED)
FIRST_NAMES_CLASH = in_turn(
    "fn_l is not null and fn_r is not null", f"not {either(_FIRST_AGREES, INITIALS, SWAPPED)}"
)
_LAST_NAMES_CLASH = in_turn("ln_l is not null and ln_r is not null", f"not {either(_LAST_AGREES, SWAPPED)}")
NAMES_CLASH = either(FIRST_NAMES_CLASH, _LAST_NAMES_CLASH)

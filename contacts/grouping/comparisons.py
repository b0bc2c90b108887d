"""What is compared: the degrees of agreement, and how often each is seen on one person and on others."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from contacts.grouping.cluster import two_parts_agree_sql
from contacts.grouping.rules import (
    FIRST_NAMES_ALIKE,
    FIRST_NAMES_CLASH,
    INITIALS,
    NO_INITIAL,
    SWAPPED,
    either,
    in_turn,
    similar,
    similar_to,
)

# For each comparison the m, u and home of its levels, strongest first.
Weights = Mapping[str, Sequence[Sequence[float]]]


@dataclass(frozen=True)
class Level:
    """One degree of agreement: how often it is seen on one person, on strangers, and on housemates.

    `m` and `u` are probabilities given one person and two random people; `home` given two people of one
    household. `share` names the column whose term frequency replaces `u`, never below `rarest`.
    """

    label: str
    sql: str
    m: float
    u: float
    home: float
    share: str = ""
    rarest: float = 0.0

    @property
    def weight(self) -> float:
        """log2 of m over u, before any term frequency."""
        return math.log2(self.m / self.u)

    @property
    def household(self) -> float:
        """log2 of the probability on one person over that on two housemates."""
        return math.log2(self.m / self.home)


@dataclass(frozen=True)
class Comparison:
    """One line of the explanation. `levels` run from the strongest to "different", which is the rest."""

    key: str
    label: str
    blank: str
    levels: Sequence[Level]

    def level(self, number: int) -> Level | None:
        """The level that evidence calls `number`: 0 is the rest, -1 (None here) not known."""
        return self.levels[len(self.levels) - 1 - number] if number >= 0 else None


def _blank(*columns: str) -> str:
    return "(" + " or ".join(f"{column}_l is null or {column}_r is null" for column in columns) + ")"


_YEAR_ONLY = in_turn(
    "year(dob_l) = year(dob_r)", "strftime(dob_l, '%m%d') = '0101' or strftime(dob_r, '%m%d') = '0101'"
)
_DAY_MONTH = "(year(dob_l) = year(dob_r) and month(dob_l) = day(dob_r) and day(dob_l) = month(dob_r))"
_ONE_DIGIT = in_turn(
    # One digit, or two neighbours changed about, is one part of the three.
    two_parts_agree_sql("dob_l", "dob_r"),
    "damerau_levenshtein(dob_l::varchar, dob_r::varchar) <= 1",
)
_EMAIL_TYPO = in_turn(
    "abs(length(em_l) - length(em_r)) <= 2", similar("em", 0.88), "levenshtein(em_l, em_r) <= 2"
)
# Some systems have the street first, some the house's name; a short second line ("Flat 2") says nothing.
_LINES_CROSSED = in_turn(
    "second_l is not null or second_r is not null",
    f"(length(second_l) > 5 and {similar_to('second_l', 'street_r', 0.9)})"
    f" or (length(second_r) > 5 and {similar_to('street_l', 'second_r', 0.9)})",
)
_STREETS_ALIKE = either("street_l = street_r", similar("street", 0.9), _LINES_CROSSED)
_SAME_NUMBER = "coalesce(hn_l = hn_r, hn_l is not null or hn_r is not null)"
_SAME_HOUSE = in_turn("pc_l = pc_r", either("hn_l = hn_r", in_turn(_SAME_NUMBER, _STREETS_ALIKE)))
_SAME_LINE = in_turn("hn_l = hn_r or (hn_l is null and hn_r is null)", _STREETS_ALIKE)
_POSTCODE_TYPO = in_turn(
    "length(pc_l) = length(pc_r)", "hamming(pc_l, pc_r) <= 2", "damerau_levenshtein(pc_l, pc_r) <= 1"
)
_CITIES_ALIKE = either("city_l = city_r", similar("city", 0.92))
_SAME_STREET = in_turn(_STREETS_ALIKE, either("pc_l = pc_r", _CITIES_ALIKE, _POSTCODE_TYPO))
_NO_FINER_ADDRESS = "(pc_l is null or pc_r is null) and (ad_l is null or ad_r is null)"

COMPARISONS: Sequence[Comparison] = (
    Comparison(
        "first",
        "First name",
        _blank("fn"),
        [
            Level("exact", "fn_l = fn_r", 0.80, 0.0065, 0.030, "fn", 0.0005),
            Level("nickname", FIRST_NAMES_ALIKE, 0.08, 0.004, 0.008),
            Level("similar", in_turn(NO_INITIAL, similar("fn", 0.9)), 0.05, 0.009, 0.012),
            Level("in the other box", SWAPPED, 0.01, 0.00001, 0.0001),
            Level("initial", INITIALS, 0.03, 0.0041, 0.015),
            Level("a little similar", in_turn(NO_INITIAL, similar("fn", 0.78)), 0.02, 0.03, 0.03),
            Level("different", "", 0.04, 0.9765, 0.935 * 0.04 / 0.012),
        ],
    ),
    Comparison(
        "last",
        "Last name",
        _blank("ln"),
        [
            Level("exact", "ln_l = ln_r", 0.90, 0.0009, 0.80, "ln", 0.00002),
            Level("similar", similar("ln", 0.9), 0.06, 0.0012, 0.012),
            Level(
                "a little similar",
                either(similar("ln", 0.78), "levenshtein(ln_l, ln_r) <= 1"),
                0.02,
                0.012,
                0.015,
            ),
            Level("in the other box", SWAPPED, 0.01, 0.002, 0.0095),
            Level("different", "", 0.03, 0.9979, 0.19),
        ],
    ),
    Comparison(
        "birth",
        "Date of birth",
        _blank("dob"),
        [
            Level("exact", "dob_l = dob_r", 0.955, 0.00005, 0.008),
            Level("day and month swapped", _DAY_MONTH, 0.012, 0.00003, 0.0003),
            Level("similar", either("abs(dob_l - dob_r) <= 10", _ONE_DIGIT), 0.025, 0.0015, 0.006),
            Level("two parts of three", two_parts_agree_sql("dob_l", "dob_r"), 0.01, 0.0046, 0.007),
            Level("same year", _YEAR_ONLY, 0.01, 0.0008, 0.008),
            Level("different", "", 0.008, 0.99842, 0.985),
        ],
    ),
    Comparison(
        "email",
        "E-mail",
        _blank("em"),
        [
            Level(
                "exact",
                in_turn("em_l = em_r", f"not {FIRST_NAMES_CLASH}"),
                0.70,
                0.000002,
                0.030,
                "em",
                0.000001,
            ),
            # A mailbox under two first names is a family's; on one person it is as rare as a changed name.
            Level("shared", "em_l = em_r", 0.01, 0.000002, 0.10),
            Level("similar", _EMAIL_TYPO, 0.06, 0.000004, 0.004),
            Level(
                "same mailbox name", "mailbox_l = mailbox_r and length(mailbox_l) > 5", 0.02, 0.00001, 0.01
            ),
            Level("different", "", 0.22, 0.999984, 0.956),
        ],
    ),
    Comparison(
        "mobile",
        "Mobile",
        _blank("mob"),
        [
            Level(
                "exact",
                in_turn("mob_l = mob_r", f"not {FIRST_NAMES_CLASH}"),
                0.86,
                0.000003,
                0.002,
                "mob",
                0.000001,
            ),
            Level("shared", "mob_l = mob_r", 0.01, 0.000003, 0.03),
            Level("different", "", 0.14, 0.999997, 0.998),
        ],
    ),
    Comparison(
        "phone",
        "Business phone",
        # One number typed into both boxes is one agreement, not two.
        f"({_blank('ph')} or (ph_l = ph_r and ph_l = mob_l and mob_l = mob_r))",
        [
            # A landline is a household's, so u stays high.
            Level("exact", "ph_l = ph_r", 0.95, 0.00004, 0.93),
            Level("different", "", 0.05, 0.99996, 0.07),
        ],
    ),
    Comparison(
        "address",
        "Address",
        f"({_blank('pc')} and {_blank('ad')} and {_blank('city')})",
        [
            Level("same house", _SAME_HOUSE, 0.70, 0.00004, 0.70),
            Level("same address line", _SAME_LINE, 0.06, 0.00002, 0.06),
            Level("same street", _SAME_STREET, 0.05, 0.0001, 0.05),
            Level("same postcode", "pc_l = pc_r", 0.08, 0.0001, 0.08, "pc", 0.00005),
            Level("same city", in_turn(_NO_FINER_ADDRESS, _CITIES_ALIKE), 0.60, 0.03, 0.60, "city", 0.001),
            Level("similar postcode", _POSTCODE_TYPO, 0.05, 0.004, 0.05),
            Level("same city, elsewhere", _CITIES_ALIKE, 0.06, 0.035, 0.06),
            Level("different", "", 0.16, 0.99984, 0.16),
        ],
    ),
)


def with_weights(weights: Weights) -> Sequence[Comparison]:
    """COMPARISONS with the probabilities of `weights`; a comparison that it does not name keeps its own."""
    return [_reweighed(comparison, weights.get(comparison.key)) for comparison in COMPARISONS]


def _reweighed(comparison: Comparison, rows: Sequence[Sequence[float]] | None) -> Comparison:
    if rows is None:
        return comparison
    levels = [
        replace(level, m=m, u=u, home=home)
        for level, (m, u, home) in zip(comparison.levels, rows, strict=True)
    ]
    return replace(comparison, levels=levels)


NAME_COMPARISONS = ("first", "last")

"""The score: what each agreement weighs against a stranger and against a housemate, run by Splink."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import splink.comparison_level_library as cll
import splink.comparison_library as cl
from splink import DuckDBAPI, Linker, SettingsCreator, block_on
from splink.internals.comparison_creator import ComparisonCreator
from splink.internals.comparison_level_creator import ComparisonLevelCreator

from contacts.grouping.cluster import two_parts_agree_sql
from contacts.grouping.model import FREQUENCY_COLUMNS, Model, register_shares
from contacts.grouping.rules import (
    FIRST_NAMES_ALIKE,
    FIRST_NAMES_CLASH,
    INITIALS,
    NO_INITIAL,
    SWAPPED,
    Outcome,
    in_turn,
    similar,
    similar_to,
)


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


_YEAR_ONLY = (
    "(year(dob_l) = year(dob_r) and (strftime(dob_l, '%m%d') = '0101' or strftime(dob_r, '%m%d') = '0101'))"
)
_DAY_MONTH = "(year(dob_l) = year(dob_r) and month(dob_l) = day(dob_r) and day(dob_l) = month(dob_r))"
_ONE_DIGIT = in_turn(
    "hamming(dob_l::varchar, dob_r::varchar) <= 2", "damerau_levenshtein(dob_l::varchar, dob_r::varchar) <= 1"
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
_STREETS_ALIKE = f"(street_l = street_r or {similar('street', 0.9)} or {_LINES_CROSSED})"
_SAME_NUMBER = "coalesce(hn_l = hn_r, hn_l is not null or hn_r is not null)"
_SAME_HOUSE = in_turn("pc_l = pc_r", f"hn_l = hn_r or ({_STREETS_ALIKE} and {_SAME_NUMBER})")
_SAME_LINE = in_turn("hn_l = hn_r or (hn_l is null and hn_r is null)", _STREETS_ALIKE)
_POSTCODE_TYPO = in_turn(
    "length(pc_l) = length(pc_r)", "hamming(pc_l, pc_r) <= 2", "damerau_levenshtein(pc_l, pc_r) <= 1"
)
_CITIES_ALIKE = f"(city_l = city_r or {similar('city', 0.92)})"
_SAME_STREET = in_turn(_STREETS_ALIKE, f"pc_l = pc_r or {_CITIES_ALIKE} or {_POSTCODE_TYPO}")
_NO_FINER_ADDRESS = "(pc_l is null or pc_r is null) and (ad_l is null or ad_r is null)"

COMPARISONS: Sequence[Comparison] = (
    Comparison(
        "first",
        "First name",
        _blank("fn"),
        [
            Level("exact", "fn_l = fn_r", 0.80, 0.0065, 0.030, "fn", 0.0005),
            Level("nickname", FIRST_NAMES_ALIKE, 0.08, 0.004, 0.008),
            Level("similar", f"{NO_INITIAL} and {similar('fn', 0.9)}", 0.05, 0.009, 0.012),
            Level("in the other box", SWAPPED, 0.01, 0.00001, 0.0001),
            Level("initial", INITIALS, 0.03, 0.0041, 0.015),
            Level("a little similar", f"{NO_INITIAL} and {similar('fn', 0.78)}", 0.02, 0.03, 0.03),
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
                f"{similar('ln', 0.78)} or levenshtein(ln_l, ln_r) <= 1",
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
            Level("similar", f"abs(dob_l - dob_r) <= 10 or {_ONE_DIGIT}", 0.025, 0.0015, 0.006),
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
            Level("same city", f"{_CITIES_ALIKE} and {_NO_FINER_ADDRESS}", 0.60, 0.03, 0.60, "city", 0.001),
            Level("similar postcode", _POSTCODE_TYPO, 0.05, 0.004, 0.05),
            Level("same city, elsewhere", _CITIES_ALIKE, 0.06, 0.035, 0.06),
            Level("different", "", 0.16, 0.99984, 0.16),
        ],
    ),
)

NAME_COMPARISONS = ("first", "last")

# A rule rides along as a weight no score can reach: Splink then evaluates it in the same pass over the pairs,
# and its threshold lets the pair through. `_scored_sql` takes the weight off again.
RULE_WEIGHT = 200


def score_pairs(con: duckdb.DuckDBPyConnection, *, model: Model, ways: Sequence[Outcome]) -> None:
    """Make the table `scored` of the rows of `pairs` that a rule or the review threshold lets through.

    Its columns: l, r, way (number in `ways`, or null), g_<comparison> level, w_<comparison> weight.
    """
    register_shares(con, model)
    con.execute("create or replace temp table source as select * exclude (ref_id, system_id) from records")
    api = DuckDBAPI(connection=con)
    source = api.register("source", dataset_display_name="refs")
    # The settings are ours and always the same; looking them over takes longer than scoring a small run.
    linker = Linker(source, _settings(model, ways), log_level=None, validate_settings=False)
    for column in FREQUENCY_COLUMNS:
        table = api.register(f"share_{column}", dataset_display_name=f"shares_of_{column}")
        linker.table_management.register_term_frequency_lookup(table, column)
    pairs = api.register("pairs", dataset_display_name="candidates")
    linker.table_management.register_blocked_pairs_for_predict(pairs)
    predicted = linker.inference.predict(threshold_match_weight=model.review_weight, warning_mode="never")
    con.execute(f"create or replace temp table scored as {_scored_sql(predicted.physical_name)}")
    predicted.drop_table_from_database_and_remove_from_cache()


def _settings(model: Model, ways: Sequence[Outcome]) -> SettingsCreator:
    comparisons: list[ComparisonCreator | dict[str, Any]] = [_splink_comparison(c) for c in COMPARISONS]
    if ways:
        comparisons.append(_rules_comparison(ways))
    return SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name="rec",
        comparisons=comparisons,
        blocking_rules_to_generate_predictions=[block_on("em")],  # demanded, not used: `pairs` is registered
        probability_two_random_records_match=model.prior,
        retain_matching_columns=False,
        retain_intermediate_calculation_columns=True,
    )


def _splink_comparison(comparison: Comparison) -> cl.CustomComparison:
    blank = cll.CustomLevel(comparison.blank, "not known").configure(is_null_level=True)
    levels = [_splink_level(level) for level in comparison.levels[:-1]]
    rest = comparison.levels[-1]
    other = cll.ElseLevel().configure(m_probability=rest.m, u_probability=rest.u)
    return cl.CustomComparison([blank, *levels, other], comparison.key)


def _splink_level(level: Level) -> ComparisonLevelCreator:
    custom = cll.CustomLevel(level.sql, level.label)
    if not level.share:
        return custom.configure(m_probability=level.m, u_probability=level.u)
    return custom.configure(
        m_probability=level.m,
        u_probability=level.u,
        tf_adjustment_column=level.share,
        tf_minimum_u_value=level.rarest,
        disable_tf_exact_match_detection=True,
    )


def _rules_comparison(ways: Sequence[Outcome]) -> cl.CustomComparison:
    levels = [
        cll.CustomLevel(way.sql, f"way {number}").configure(
            m_probability=0.5, u_probability=0.5 * 2.0 ** -(RULE_WEIGHT + number)
        )
        for number, way in enumerate(ways)
    ]
    blank = cll.CustomLevel("false", "never").configure(is_null_level=True)
    return cl.CustomComparison(
        [blank, *levels, cll.ElseLevel().configure(m_probability=0.5, u_probability=0.5)], "rules"
    )


def _scored_sql(predicted: str) -> str:
    """Levels are read back from Splink's weights, which are distinct within a comparison."""
    columns = []
    for comparison in COMPARISONS:
        key, count = comparison.key, len(comparison.levels)
        cases = " ".join(
            f"when abs(mw_{key} - {level.weight!r}) < 1e-6 then {count - 1 - index}"
            for index, level in enumerate(comparison.levels)
        )
        shares = any(level.share for level in comparison.levels)
        weight = f"mw_{key} + mw_tf_adj_{key}" if shares else f"mw_{key}"
        columns.append(f"(case {cases} else -1 end)::tinyint as g_{key}, round({weight}, 3) as w_{key}")
    return f"""
        select rec_l as l, rec_r as r,
            case when mw_rules > 1 then round(mw_rules)::integer - {RULE_WEIGHT} end as way,
            {", ".join(columns)}
        from {predicted}
    """


def weight_sql(model: Model) -> str:
    """SQL over `scored`: the match weight versus a stranger."""
    return f"round({model.prior_weight!r} + {' + '.join(f'w_{c.key}' for c in COMPARISONS)}, 3)"


def household_sql(model: Model) -> str:
    """SQL over `scored`: the weight versus a housemate."""
    return f"round({model.household_prior!r} + {' + '.join(_household_case(c) for c in COMPARISONS)}, 3)"


def email_sql() -> tuple[str, str]:
    """SQL over `scored`: what the e-mail speaks for the pair, as weight and household score, 0 or more."""
    email = next(comparison for comparison in COMPARISONS if comparison.key == "email")
    return "greatest(w_email, 0)", f"greatest({_household_case(email)}, 0)"


def beyond_names_sql(*, but: str = "") -> str:
    """SQL over `scored`: something but names (and `but`) speaks for the pair: names never suffice."""
    keys = [c.key for c in COMPARISONS if c.key not in (*NAME_COMPARISONS, but)]
    return "(" + " or ".join(f"w_{key} > 0" for key in keys) + ")"


def same_name_and_house_sql() -> str:
    """SQL over `scored`: first name, last name and house are the same to the letter."""
    tops = (c for c in COMPARISONS if c.key in (*NAME_COMPARISONS, "address"))
    return " and ".join(f"g_{c.key} = {len(c.levels) - 1}" for c in tops)


def evidence_sql() -> str:
    """SQL over `scored`: the JSON list of [level, weight, household] in the order of COMPARISONS."""
    parts = [
        f"'[' || g_{c.key} || ',' || w_{c.key} || ',' || {_household_case(c)} || ']'" for c in COMPARISONS
    ]
    return "'[' || " + " || ',' || ".join(parts) + " || ']'"


def _household_case(comparison: Comparison) -> str:
    cases = " ".join(
        f"when {len(comparison.levels) - 1 - index} then {round(level.household, 3)!r}"
        for index, level in enumerate(comparison.levels)
    )
    return f"(case g_{comparison.key} {cases} else 0.0 end)"

"""The score: what each agreement weighs against a stranger and against a housemate, run by Splink."""

from collections.abc import Sequence
from typing import Any

import duckdb
import splink.comparison_level_library as cll
import splink.comparison_library as cl
from splink import DuckDBAPI, Linker, SettingsCreator, block_on
from splink.internals.comparison_creator import ComparisonCreator
from splink.internals.comparison_level_creator import ComparisonLevelCreator

from contacts.grouping.comparisons import NAME_COMPARISONS, Comparison, Level
from contacts.grouping.model import Model, register_shares
from contacts.grouping.rules import Outcome
from contacts.grouping.sieve import sieve_sql

# A rule rides along as a weight no score can reach: Splink then evaluates it in the same pass over the pairs,
# and its threshold lets the pair through; the weights that are kept are those of the comparisons alone.
RULE_WEIGHT = 200
# Splink's name of the pairs with the values of both sides.
JOINED = "blocked_with_cols"


def score_pairs(con: duckdb.DuckDBPyConnection, *, model: Model, ways: Sequence[Outcome]) -> None:
    """Make the table `scored` of the rows of `pairs` that a rule or the review threshold lets through.

    Its columns: l, r, way (number in `ways`, or null), g_<comparison> level, w_<comparison> weight. Reads
    `source`, records with what `shares_sql` adds to them.
    """
    api = _OnePass(con, kept=_kept_sql(model, ways), sieved=sieve_sql(JOINED, model, ways))
    source = api.register("source", dataset_display_name="refs")
    # The settings are ours and always the same; looking them over takes longer than scoring a small run.
    linker = Linker(source, _settings(model, ways), log_level=None, validate_settings=False)
    for column in _share_columns(model):
        table = api.register(f"share_{column}", dataset_display_name=f"shares_of_{column}")
        linker.table_management.register_term_frequency_lookup(table, column)
    pairs = api.register("pairs", dataset_display_name="candidates")
    linker.table_management.register_blocked_pairs_for_predict(pairs)
    predicted = linker.inference.predict(threshold_match_weight=model.review_weight, warning_mode="never")
    con.execute(f"drop table if exists scored; alter table {predicted.physical_name} rename to scored")


class _OnePass(DuckDBAPI):
    """Splink's DuckDB in one pass over the pairs.

    Splink copies the records of either side, compares every pair and writes the scores with every value
    compared; here the copies are views, of the pairs JOINED to their records only those `sieved` (SQL) are
    compared, and of the scores only the columns `kept` (SQL) are written.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, *, kept: str, sieved: str) -> None:
        super().__init__(connection)
        self._kept, self._sieved = kept, sieved

    def _setup_for_execute_sql(self, sql: str, physical_name: str) -> str:
        if physical_name.startswith("__splink__df_pruned_predict_input"):
            return f"create temp view {physical_name} as select * from source"
        if physical_name.startswith("__splink__df_predict"):
            sql = sql.replace(f"from {JOINED}", f"from ({self._sieved})")
            return f"create temp table {physical_name} as select {self._kept} from ({sql})"
        return super()._setup_for_execute_sql(sql, physical_name)


def make_source(con: duckdb.DuckDBPyConnection, model: Model) -> None:
    """The table `source` of `records`, whatever they were made for."""
    shares, joins = shares_sql(con, model)
    con.execute(f"create or replace temp table source as select records.*{shares} from records {joins}")


def shares_sql(con: duckdb.DuckDBPyConnection, model: Model) -> tuple[str, str]:
    """SQL: further columns and the joins that they need, for the share tf_<column> of each value whose rarity
    is weighed.

    Reads `plain`, and makes tables that scoring needs.
    """
    unknown = register_shares(con, model)
    columns = _share_columns(model)
    shares = "".join(
        f", if({column} is null, null, coalesce(tf_{column}, {unknown})) as tf_{column}" for column in columns
    )
    return shares, " ".join(f"left join share_{column} using ({column})" for column in columns)


def _share_columns(model: Model) -> list[str]:
    return sorted({level.share for c in model.comparisons for level in c.levels if level.share})


def _settings(model: Model, ways: Sequence[Outcome]) -> SettingsCreator:
    comparisons: list[ComparisonCreator | dict[str, Any]] = [splink_comparison(c) for c in model.comparisons]
    if ways:
        comparisons.append(_rules_comparison(ways))
    return SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name="rec",
        comparisons=comparisons,
        blocking_rules_to_generate_predictions=[block_on("em")],  # demanded, not used: `pairs` is registered
        probability_two_random_records_match=model.prior,
        retain_matching_columns=True,  # with them Splink gives the levels
        retain_intermediate_calculation_columns=True,
    )


def splink_comparison(comparison: Comparison) -> cl.CustomComparison:
    """The comparison in Splink's words, with its probabilities."""
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
            m_probability=0.5, u_probability=0.5 * 2.0**-RULE_WEIGHT
        )
        for number, way in enumerate(ways)
    ]
    blank = cll.CustomLevel("false", "never").configure(is_null_level=True)
    return cl.CustomComparison(
        [blank, *levels, cll.ElseLevel().configure(m_probability=0.5, u_probability=0.5)], "rules"
    )


def _kept_sql(model: Model, ways: Sequence[Outcome]) -> str:
    """SQL over Splink's scores: the columns of `scored`."""
    columns = []
    for comparison in model.comparisons:
        key = comparison.key
        shares = any(level.share for level in comparison.levels)
        weight = f"mw_{key} + mw_tf_adj_{key}" if shares else f"mw_{key}"
        columns.append(f"gamma_{key}::tinyint as g_{key}, round({weight}, 3) as w_{key}")
    way = f"nullif({len(ways)} - gamma_rules, {len(ways)})::integer" if ways else "null::integer"
    return f"rec_l as l, rec_r as r, {way} as way, {', '.join(columns)}"


def weight_sql(model: Model) -> str:
    """SQL over `scored`: the match weight versus a stranger."""
    return f"round({model.prior_weight!r} + {' + '.join(f'w_{c.key}' for c in model.comparisons)}, 3)"


def household_sql(model: Model) -> str:
    """SQL over `scored`: the weight versus a housemate."""
    return (
        f"round({model.household_prior!r} + {' + '.join(_household_case(c) for c in model.comparisons)}, 3)"
    )


def email_sql(model: Model) -> tuple[str, str]:
    """SQL over `scored`: what the e-mail speaks for the pair, as weight and household score, 0 or more."""
    email = next(comparison for comparison in model.comparisons if comparison.key == "email")
    return "greatest(w_email, 0)", f"greatest({_household_case(email)}, 0)"


def beyond_names_sql(model: Model, *, but: str = "") -> str:
    """SQL over `scored`: something but names (and `but`) speaks for the pair.

    Names never suffice, unless the model learnt otherwise of people of whom little else is known.
    """
    if model.names_suffice and not but:
        return "true"
    keys = [c.key for c in model.comparisons if c.key not in (*NAME_COMPARISONS, but)]
    return "(" + " or ".join(f"w_{key} > 0" for key in keys) + ")"


def same_name_and_house_sql(model: Model) -> str:
    """SQL over `scored`: first name, last name and house are the same to the letter."""
    tops = (c for c in model.comparisons if c.key in (*NAME_COMPARISONS, "address"))
    return " and ".join(f"g_{c.key} = {len(c.levels) - 1}" for c in tops)


def evidence_sql(model: Model) -> str:
    """SQL over `scored`: the JSON list of [level, weight, household] in the order of COMPARISONS."""
    parts = ", ',', ".join(_evidence_case(comparison) for comparison in model.comparisons)
    return f"concat('[', {parts}, ']')"


def _evidence_case(comparison: Comparison) -> str:
    """SQL: [level, weight, household].

    To write numbers takes long, most of all floating ones, so what a level fixes is ready-made.
    """
    key, highest = comparison.key, len(comparison.levels) - 1
    cases = [f"case g_{key} when -1 then '[-1,0.0,0.0]'"]
    for index, level in enumerate(comparison.levels):
        number, household = highest - index, round(level.household, 3)
        if level.share:
            cases.append(
                f"when {number} then concat('[{number},', w_{key}::decimal(9, 3), ',{household!r}]')"
            )
        else:
            cases.append(f"when {number} then '[{number},{round(level.weight, 3)!r},{household!r}]'")
    return " ".join([*cases, "end"])


def _household_case(comparison: Comparison) -> str:
    cases = " ".join(
        f"when {len(comparison.levels) - 1 - index} then {round(level.household, 3)!r}"
        for index, level in enumerate(comparison.levels)
    )
    return f"(case g_{comparison.key} {cases} else 0.0 end)"

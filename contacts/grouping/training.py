"""What the data say of each level: u from random pairs, m by Splink's EM over several passes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import duckdb
from splink import DuckDBAPI, Linker, SettingsCreator, block_on
from splink.internals.settings import CoreModelSettings

from contacts.grouping.comparisons import Comparison
from contacts.grouping.score import splink_comparison

RANDOM_PAIRS = 1_000_000
MOST_BLOCKED_PAIRS = 2_000_000
FEWEST_BLOCKED_PAIRS = 100
MOST_ITERATIONS = 200
CONVERGENCE = 0.0005

Probabilities = Sequence[float]  # of a comparison's levels, strongest first; they sum to 1


@dataclass(frozen=True)
class Pass:
    """One run of EM: records that agree on `key` (SQL over a record) are compared by `compares`.

    What the key is made of is not compared, nor what a shared house or mailbox would answer for: of
    two classes, EM would take families for one person.
    """

    name: str
    key: str
    compares: Sequence[str]


# A date of birth is a person's own, so records that share one are one person or strangers, hardly housemates.
CLEAN_PASSES = (
    Pass("date of birth", "dob", ("first", "last", "email", "mobile", "phone", "address")),
    Pass("first and last name", "fn || '|' || ln", ("birth", "email", "mobile", "phone", "address")),
    Pass("first name and postcode", "fn || '|' || pc", ("last", "birth", "email", "mobile")),
    Pass("first name and city", "fn || '|' || city", ("last", "birth", "email", "mobile")),
)
# Asked only of what the others leave open.
FAMILY_PASSES = (
    Pass("e-mail", "em", ("first", "last", "birth", "mobile")),
    Pass("mobile", "mob", ("first", "last", "birth", "email")),
    Pass("last name and postcode", "ln || '|' || pc", ("first", "birth", "email", "mobile")),
    Pass("last name and city", "ln || '|' || city", ("first", "birth", "email", "mobile")),
)


@dataclass(frozen=True)
class Trained:
    """What one pass taught: m of the levels of what it compared, out of about so many pairs of one person."""

    name: str
    pairs: float
    matches: float
    has_converged: bool
    m: Mapping[str, Probabilities]


def random_agreement(
    con: duckdb.DuckDBPyConnection, comparisons: Sequence[Comparison]
) -> Mapping[str, Probabilities]:
    """How often two random rows of `records` agree to each level, pairs of one person among them."""
    con.execute("create or replace temp table source as select * exclude (ref_id, system_id) from records")
    linker = _linker(con, comparisons)
    linker.training.estimate_u_using_random_sampling(
        max_pairs=RANDOM_PAIRS, seed=1, min_count_per_level=None, num_chunks=1
    )
    return _probabilities(comparisons, linker._settings_obj.core_model_settings, "u_probability")


def train(
    con: duckdb.DuckDBPyConnection, step: Pass, comparisons: Sequence[Comparison], *, prior: float
) -> Trained | None:
    """Run one pass over `records`; None where too few pairs share its key."""
    con.execute(f"""
        create or replace temp table source as
        select * exclude (ref_id, system_id), {step.key} as pass_key from records
    """)
    pairs = con.execute("""
        select coalesce(sum(holders * (holders - 1) / 2), 0)
        from (select count(*) as holders from source where pass_key is not null group by pass_key)
    """).fetchall()[0][0]
    if pairs < FEWEST_BLOCKED_PAIRS:
        return None
    linker = _linker(con, comparisons, prior=prior)
    session = linker.training.estimate_parameters_using_expectation_maximisation(
        block_on("pass_key"),
        estimate_without_term_frequencies=True,
        fix_u_probabilities=True,
        max_pairs=MOST_BLOCKED_PAIRS,
    )
    looked_at = min(float(pairs), MOST_BLOCKED_PAIRS)
    settings = session.core_model_settings
    return Trained(
        name=step.name,
        pairs=looked_at,
        matches=looked_at * settings.probability_two_random_records_match,
        has_converged=len(session._core_model_settings_history) <= MOST_ITERATIONS,
        m=_probabilities(comparisons, settings, "m_probability"),
    )


def _linker(
    con: duckdb.DuckDBPyConnection, comparisons: Sequence[Comparison], *, prior: float = 0.01
) -> Linker:
    settings = SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name="rec",
        comparisons=[splink_comparison(_without_shares(comparison)) for comparison in comparisons],
        blocking_rules_to_generate_predictions=[block_on("pass_key")],  # demanded, not used
        probability_two_random_records_match=prior,
        retain_matching_columns=False,
        em_convergence=CONVERGENCE,
        max_iterations=MOST_ITERATIONS,
    )
    source = DuckDBAPI(connection=con).register("source", dataset_display_name="refs")
    return Linker(source, settings, log_level="ERROR", validate_settings=False)


def _without_shares(comparison: Comparison) -> Comparison:
    """Weighed by the level alone, as EM over counted patterns does."""
    return replace(comparison, levels=[replace(level, share="") for level in comparison.levels])


def _probabilities(
    comparisons: Sequence[Comparison], settings: CoreModelSettings, name: str
) -> Mapping[str, Probabilities]:
    """Read back level by level."""
    found = {}
    for comparison in comparisons:
        trained = settings.get_comparison_by_output_column_name(comparison.key)
        levels = [level for level in trained.comparison_levels if not level.is_null_level]
        found[comparison.key] = [float(getattr(level, name) or 0.0) for level in levels]
    return found

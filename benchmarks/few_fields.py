"""Few and dirty fields: ours with estimated weights, against bare Splink trained on the very same set.

Splink's threshold is the best of a grid, chosen by the truth of the same set: no user could do better.
Ours has chosen its own without the truth.
"""

import argparse
import json
import logging
import sys
from typing import Any

import pyarrow as pa
import splink.comparison_library as cl
from splink import DuckDBAPI, Linker, SettingsCreator, block_on
from splink.internals.exceptions import EMTrainingException

from benchmarks.few_sets import SETS, FewFields
from benchmarks.report import agreement
from contacts.grouping.engine import group
from contacts.grouping.estimate import estimate
from contacts.grouping.model import Model, freeze_model

BEHIND = 0.03
THRESHOLDS = (0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 0.9999)
COMPARISONS = {
    "first_name": lambda: cl.NameComparison("first_name").configure(term_frequency_adjustments=True),
    "last_name": lambda: cl.NameComparison("last_name").configure(term_frequency_adjustments=True),
    "email": lambda: cl.EmailComparison("email").configure(term_frequency_adjustments=True),
    "city": lambda: cl.JaroWinklerAtThresholds("city", [0.9]).configure(term_frequency_adjustments=True),
    "postcode": lambda: cl.LevenshteinAtThresholds("postcode", 1).configure(term_frequency_adjustments=True),
    "date_of_birth": lambda: cl.DateOfBirthComparison("date_of_birth", input_is_string=False),
}
PASSES = (
    ("first_name", "last_name"),
    ("date_of_birth",),
    ("email",),
    ("postcode",),
    ("first_name", "city"),
    ("last_name", "city"),
)


def splink_groups(refs: pa.Table, fields: tuple[str, ...]) -> list[list[Any]]:
    """The groups of a trained Splink, for each of THRESHOLDS, in the order of the refs.

    As its documentation says to use it: its own comparisons, u by random sampling, m by EM over several
    blocking rules, connected components. Values are lower case without blanks at the ends.
    """
    api = DuckDBAPI()
    api._con.execute("set enable_progress_bar = false")
    api._con.register("refs", refs)
    cleaned = ", ".join(f if f == "date_of_birth" else f"nullif(lower(trim({f})), '') as {f}" for f in fields)
    api._con.execute(f"create table cleaned as select ref_id, {cleaned} from refs")
    passes = [columns for columns in PASSES if set(columns) <= set(fields)]
    rules = [block_on(*columns) for columns in passes]
    settings = SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name="ref_id",
        comparisons=[COMPARISONS[field]() for field in fields],
        blocking_rules_to_generate_predictions=rules,
    )
    linker = Linker(api.register("cleaned", dataset_display_name="people"), settings, log_level=None)
    others = [field for field in fields if field not in ("first_name", "last_name")]
    sure = [block_on("first_name", "last_name", other) for other in others]
    linker.training.estimate_probability_two_random_records_match(sure, recall=0.7)
    linker.training.estimate_u_using_random_sampling(max_pairs=5e6, seed=1)
    for rule in rules:
        try:
            linker.training.estimate_parameters_using_expectation_maximisation(rule)
        except EMTrainingException:
            continue
    pairs = linker.inference.predict(threshold_match_probability=min(THRESHOLDS), warning_mode="never")
    return [_clusters(api, refs, pairs.physical_name, threshold) for threshold in THRESHOLDS]


def _clusters(api: DuckDBAPI, refs: pa.Table, pairs: str, threshold: float) -> list[Any]:
    kept = api._con.sql(
        f"select ref_id_l, ref_id_r from {pairs} where match_probability >= {threshold}"
    ).fetchall()
    parent = {ref: ref for ref in refs["ref_id"].to_pylist()}

    def root(ref: int) -> int:
        while parent[ref] != ref:
            parent[ref] = parent[parent[ref]]
            ref = parent[ref]
        return ref

    for left, right in kept:
        parent[root(left)] = root(right)
    return [root(ref) for ref in refs["ref_id"].to_pylist()]


def our_groups(refs: pa.Table, model: Model, country: str) -> list[Any]:
    """The groups of the engine, in the order of the refs."""
    groups: list[Any] = group(refs, model=model, default_country=country).partition["group_id"].to_pylist()
    return groups


def measure(few: FewFields) -> bool:
    """Print one set as one JSON line; say whether ours comes close enough to Splink's."""
    refs, truth = few.make()
    best, threshold = max(
        (agreement(groups, truth).f1, threshold)
        for groups, threshold in zip(splink_groups(refs, few.fields), THRESHOLDS, strict=True)
    )
    model = freeze_model(refs, version=1, hash_key=b"benchmark", default_country=few.country)
    found = estimate(refs, model=model, default_country=few.country)
    ours = agreement(our_groups(refs, found.model, few.country), truth)
    preset = agreement(our_groups(refs, model, few.country), truth)
    is_met = ours.f1 >= best - BEHIND
    figures = {
        "name": f"few fields: {few.name}",
        "refs": refs.num_rows,
        "held_out": few.held_out,
        "learnt": found.is_learnt,
        "f1": round(ours.f1, 4),
        "precision": round(ours.precision, 4),
        "recall": round(ours.recall, 4),
        "preset_f1": round(preset.f1, 4),
        "splink_f1": round(best, 4),
        "splink_threshold": threshold,
        "target": f">= splink_f1 - {BEHIND}",
        "met": is_met,
    }
    print(json.dumps(figures), flush=True)
    return is_met


def main() -> int:
    """Measure every set; 0 when all are met."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    logging.getLogger("splink").setLevel(logging.ERROR)
    return 0 if all([measure(few) for few in SETS]) else 1


if __name__ == "__main__":
    sys.exit(main())

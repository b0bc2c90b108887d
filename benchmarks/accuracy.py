"""How well the engine finds the people of a synthetic population."""

import argparse
import sys

from benchmarks.population import make_population
from benchmarks.report import agreement, report
from contacts.grouping.engine import group
from contacts.grouping.model import freeze_model

F1 = 0.96
PRECISION = 0.98
RULES_ALONE = 0.884  # the vendor's three rules on such a population (docs: Grouping)


def main() -> int:
    """Print F1 and precision; 0 when both are met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--refs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    refs, people = make_population(options.refs, options.seed)
    partition = group(refs, model=freeze_model(refs, version=1, hash_key=b"benchmark")).partition
    found = agreement(partition["group_id"].to_pylist(), people["person"].to_pylist())
    met = [
        report(f"population {options.refs} F1", found.f1, target=F1, baseline=RULES_ALONE),
        report(f"population {options.refs} precision", found.precision, target=PRECISION),
    ]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())

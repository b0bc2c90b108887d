"""Seconds and memory of one full grouping run, the model frozen beforehand."""

import argparse
import resource
import sys
import time

from benchmarks.population import make_population
from benchmarks.report import report
from contacts.grouping.engine import group
from contacts.grouping.model import freeze_model

BARE_SPLINK_PER_MILLION = 5.5  # seconds on two cores (docs: Grouping)
TIMES_BARE = 1.6
GIGABYTES = 3.0


def main() -> int:
    """Print seconds and peak resident memory of the process; 0 when both are met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--refs", type=int, default=100_000)
    options = parser.parse_args()
    refs, _ = make_population(options.refs, 1)
    model = freeze_model(refs, version=1, hash_key=b"benchmark")
    group(refs.slice(0, 1_000), model=model)  # imports and nickname tables are not the engine's time
    started = time.perf_counter()
    group(refs, model=model)
    seconds = time.perf_counter() - started
    bare = BARE_SPLINK_PER_MILLION * options.refs / 1_000_000
    gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_048_576
    name = f"engine at {options.refs}"
    met = [
        report(f"{name}: seconds", seconds, target=TIMES_BARE * bare, baseline=bare, at_least=False),
        report(f"{name}: gigabytes", gigabytes, target=GIGABYTES, at_least=False),
    ]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())

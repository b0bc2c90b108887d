"""Runs every benchmark, each in a process of its own, so that none measures another's memory."""

import subprocess
import sys

# In the order of the README's table.
BENCHMARKS = (
    "matching_cases",
    "febrl",
    "few_fields",
    "accuracy",
    "engine",
    "embedded_run",
    "regroup",
    "pull",
    "import_rows",
    "reimport",
    "requests",
    "search",
    "tdm",
    "reports",
)


def main() -> int:
    """Run them all, also after one has missed its target; 0 when every target was met."""
    missed = []
    for name in BENCHMARKS:
        print(f"-- {name}", flush=True)
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode:
            missed.append(name)
    if missed:
        print(f"Targets missed: {', '.join(missed)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

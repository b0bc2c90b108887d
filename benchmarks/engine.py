"""The engine against a bare Splink programme: seconds, memory, growth, and one e-mail that many share.

Every run has a process of its own and takes turns with what it is compared with. Models are frozen from the
same refs beforehand, as a night has them.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.population import make_population
from benchmarks.report import agreement, report

TIMES_BASELINE = 1.6
GIGABYTES = 3.0
TIMES_TEN_TIMES = 11.0
TIMES_POISONED = 1.2
POISONED_SHARE = 200  # one ref in so many
PARTS = ("baseline", "growth", "poisoned")

Run = dict[str, float]


def main() -> int:
    """Print one JSON line per figure; 0 when every target is met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--refs", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", choices=PARTS)
    options = parser.parse_args()
    wanted = [options.only] if options.only else PARTS
    met = []
    with TemporaryDirectory() as temporary:
        whole = _prepare(Path(temporary) / "whole", options.refs)
        if "baseline" in wanted:
            met += _against_baseline(whole, options.refs, options.runs)
        if "growth" in wanted:
            tenth = _prepare(Path(temporary) / "tenth", options.refs // 10)
            met += _growth(whole, tenth, options.refs, options.runs)
        if "poisoned" in wanted:
            poisoned = _prepare(Path(temporary) / "poisoned", options.refs, is_poisoned=True)
            met += _poisoned(whole, poisoned, options.refs, options.runs)
    return 0 if all(met) else 1


def _prepare(folder: Path, size: int, *, is_poisoned: bool = False) -> Path:
    """A folder with refs, who they really are, and the model frozen of them."""
    folder.mkdir()
    refs, people = make_population(size, 1)
    if is_poisoned:
        emails = refs["email"].to_pylist()
        emails[::POISONED_SHARE] = ["boxoffice@hall.example"] * len(emails[::POISONED_SHARE])
        refs = refs.set_column(refs.schema.get_field_index("email"), "email", pa.array(emails))
    pq.write_table(refs, folder / "refs.parquet")
    pq.write_table(people, folder / "people.parquet")
    _start("freeze", folder)
    return folder


def _start(programme: str, folder: Path) -> str:
    command = [sys.executable, "-m", "benchmarks.engine_run", programme, str(folder)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _run(programme: str, folder: Path) -> Run:
    found: Run = json.loads(_start(programme, folder).splitlines()[-1])
    print(json.dumps({"run": programme, "refs": folder.name} | found), flush=True)
    return found


def _against_baseline(folder: Path, size: int, runs: int) -> list[bool]:
    pairs = [(_run("engine", folder), _run("baseline", folder)) for _ in range(runs)]
    for programme in ("engine", "baseline"):
        _report_agreement(programme, folder, size)
    return [
        _report_ratio(f"engine at {size} over bare Splink", pairs, TIMES_BASELINE),
        report(
            f"engine at {size}: peak gigabytes",
            max(engine["gigabytes"] for engine, _ in pairs),
            baseline=max(bare["gigabytes"] for _, bare in pairs),
            target=GIGABYTES,
            at_least=False,
        ),
    ]


def _report_agreement(programme: str, folder: Path, size: int) -> None:
    """For context: what the seconds buy."""
    groups = pq.read_table(folder / f"{programme}.parquet")["group_id"].to_pylist()
    found = agreement(groups, pq.read_table(folder / "people.parquet")["person"].to_pylist())
    print(
        json.dumps(
            {
                "name": f"{programme} at {size}: pairwise agreement",
                "precision": round(found.precision, 4),
                "recall": round(found.recall, 4),
                "f1": round(found.f1, 4),
            }
        )
    )


def _growth(whole: Path, tenth: Path, size: int, runs: int) -> list[bool]:
    pairs = [(_run("engine", whole), _run("engine", tenth)) for _ in range(runs)]
    return [_report_ratio(f"engine at {size} over {size // 10}", pairs, TIMES_TEN_TIMES)]


def _poisoned(whole: Path, poisoned: Path, size: int, runs: int) -> list[bool]:
    pairs = [(_run("engine", poisoned), _run("engine", whole)) for _ in range(runs)]
    return [_report_ratio(f"engine at {size}, one e-mail on 0.5 %, over without", pairs, TIMES_POISONED)]


def _report_ratio(name: str, pairs: list[tuple[Run, Run]], target: float) -> bool:
    """The median over the pairs of runs, of the seconds on the clock; the processors' for context."""
    ratios = {key: median(a[key] / b[key] for a, b in pairs) for key in ("seconds", "cpu_seconds")}
    print(json.dumps({"name": f"{name}: processor seconds", "ratio": round(ratios["cpu_seconds"], 3)}))
    return report(f"{name}: seconds", ratios["seconds"], target=target, at_least=False)


if __name__ == "__main__":
    sys.exit(main())

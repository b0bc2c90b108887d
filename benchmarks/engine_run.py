"""One timed run over refs on disk, for a process of its own: the engine, or the bare Splink programme."""

import argparse
import json
import resource
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import baseline_splink
from contacts.grouping.engine import group
from contacts.grouping.model import Model, freeze_model

WARM_UP = 1_000  # refs: imports, nickname tables and the like are nobody's time


def freeze(folder: Path) -> None:
    """Keep beside the refs of the folder the model that a night would have frozen."""
    model = freeze_model(pq.read_table(folder / "refs.parquet"), version=1, hash_key=b"benchmark")
    (folder / "model.json").write_text(model.to_json())
    pq.write_table(model.frequencies, folder / "frequencies.parquet")
    pq.write_table(model.bad_keys, folder / "bad_keys.parquet")


def programme(name: str, folder: Path) -> Callable[[pa.Table], pa.Table]:
    """What is timed: refs in, partition out."""
    if name == "baseline":
        return baseline_splink.partition
    model = Model.from_json(
        (folder / "model.json").read_text(),
        frequencies=pq.read_table(folder / "frequencies.parquet"),
        bad_keys=pq.read_table(folder / "bad_keys.parquet"),
    )
    return lambda refs: group(refs, model=model).partition


def main() -> None:
    """Write the partition beside the refs; print wall and processor seconds, and peak memory in GB."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("programme", choices=["engine", "baseline", "freeze"])
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    if options.programme == "freeze":
        freeze(options.folder)
        return
    refs = pq.read_table(options.folder / "refs.parquet")
    run = programme(options.programme, options.folder)
    run(refs.slice(0, WARM_UP))
    started, cpu_before = time.perf_counter(), time.process_time()
    partition = run(refs)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_048_576
    pq.write_table(partition, options.folder / f"{options.programme}.parquet")
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds, "gigabytes": peak}))


if __name__ == "__main__":
    main()

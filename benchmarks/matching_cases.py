"""The 34 situations that a careful person would settle, all rows in one run and each case alone."""

import csv
import sys
from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pyarrow as pa

from benchmarks.report import report
from contacts.grouping.engine import group
from contacts.grouping.model import Model
from contacts.grouping.records import REF_SCHEMA

CASES = Path(__file__).parent.parent / "tests" / "data" / "matching_cases.csv"
MODEL = Model.preset(100_000)
Row = dict[str, str]


def read_cases() -> list[Row]:
    """One dict per row of the file, in file order."""
    with CASES.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def refs_of(rows: Sequence[Row]) -> pa.Table:
    """The rows as refs of one system, numbered from 1."""
    fields = [name for name in REF_SCHEMA.names if name not in ("ref_id", "system_id", "date_of_birth")]
    records = [
        {
            "ref_id": number,
            "system_id": 1,
            **{field: row.get(field, "") for field in fields},
            "date_of_birth": date.fromisoformat(row["date_of_birth"]) if row["date_of_birth"] else None,
        }
        for number, row in enumerate(rows, start=1)
    ]
    return pa.Table.from_pylist(records, schema=REF_SCHEMA)


def wrong_cases(rows: Sequence[Row]) -> list[str]:
    """The cases whose rows, run together, are not in the expected groups."""
    partition = group(refs_of(rows), model=MODEL).partition
    pairs = defaultdict(set)
    for row, group_id in zip(rows, partition["group_id"].to_pylist(), strict=True):
        pairs[row["case"]].add((row["expected_group"], group_id))
    return [case for case, found in pairs.items() if not _is_one_to_one(found)]


def _is_one_to_one(pairs: set[tuple[str, int]]) -> bool:
    return len({expected for expected, _ in pairs}) == len(pairs) == len({found for _, found in pairs})


def main() -> int:
    """Print both figures; 0 when both are met."""
    rows = read_cases()
    names = list(dict.fromkeys(row["case"] for row in rows))
    together = wrong_cases(rows)
    alone = [case for name in names for case in wrong_cases([row for row in rows if row["case"] == name])]
    for case in (*together, *alone):
        print(f"wrong: {case}", file=sys.stderr)
    met = [
        report("matching cases together", len(names) - len(together), target=len(names), baseline=32),
        report("matching cases alone", len(names) - len(alone), target=len(names), baseline=32),
    ]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())

"""Refs for the grouping tests: a test shows the data it is about, this fills in the rest."""

from typing import Any

import pyarrow as pa

from contacts.grouping.engine import group
from contacts.grouping.model import Model
from contacts.grouping.records import REF_SCHEMA, Grouping

MODEL = Model.preset(100_000)
BLANK = {name: "" for name in REF_SCHEMA.names} | {"system_id": 1, "date_of_birth": None}


def table(*refs: dict[str, Any]) -> pa.Table:
    """The refs in REF_SCHEMA, numbered from 1 unless they say otherwise."""
    rows = [BLANK | {"ref_id": number} | ref for number, ref in enumerate(refs, start=1)]
    return pa.Table.from_pylist(rows, schema=REF_SCHEMA)


def groups(result: Grouping) -> list[set[int]]:
    """The groups as sets of ref ids, by their lowest."""
    found: dict[int, set[int]] = {}
    for row in result.partition.to_pylist():
        found.setdefault(row["group_id"], set()).add(row["ref_id"])
    return [found[group_id] for group_id in sorted(found)]


def grouped(*refs: dict[str, Any], **options: Any) -> list[set[int]]:
    """The groups of these refs under the preset model."""
    return groups(run(*refs, **options))


def run(*refs: dict[str, Any], **options: Any) -> Grouping:
    """A run over these refs under the preset model."""
    return group(table(*refs), **({"model": MODEL} | options))


def verdicts(result: Grouping) -> list[tuple[int, int, str, str, str]]:
    """left_id, right_id, decision, rule and guard of each link."""
    names = ("left_id", "right_id", "decision", "rule", "guard")
    return [tuple(link[name] for name in names) for link in result.links.to_pylist()]

"""Writes docs/requirements.md: each requirement with the tests that show it, and those that none shows yet.

`python -m tests.requirements_report` writes it, with `--check` it only says whether it is up to date.
"""

import ast
import csv
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TITLES = ROOT / "docs" / "requirements.csv"
REPORT = ROOT / "docs" / "requirements.md"

_AREAS = {
    "R-MDB": "Many databases, and the Ticketing Data Manager",
    "R-SYNC": "Architecture and synchronisation",
    "R-CM": "Contact management",
    "R-GDPR": "Privacy",
    "R-DOO": "Bookings, attendees and contacts",
    "R-SYS": "The whole",
    "C": "Where the sources disagreed, and what was settled",
}
_DECISION = re.compile(r"D-\d+")
_INTRODUCTION = """\
# Requirements and the tests that show them

Written by `python -m tests.requirements_report` from the `req` marks of the tests and `requirements.csv`;
`make lint` fails when it is out of date. Shown means: a test of that name would fail without it.
"""


def titles() -> dict[str, str]:
    """Requirement id -> what it asks, in the order of the file."""
    with TITLES.open(encoding="utf-8", newline="") as file:
        return {row["id"]: row["title"] for row in csv.DictReader(file)}


def marks(folder: Path = ROOT / "tests") -> dict[str, list[str]]:
    """Requirement id -> the tests marked with it, as `path::name`, sorted."""
    found: dict[str, set[str]] = {}
    for path in sorted(folder.rglob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        whole_module = [
            name
            for node in tree.body
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark"
            for name in _named(node.value)
        ]
        for test in _tests(tree):
            for name in [*whole_module, *(n for node in test.decorator_list for n in _named(node))]:
                found.setdefault(name, set()).add(f"{path.relative_to(ROOT).as_posix()}::{test.name}")
    return {name: sorted(tests) for name, tests in found.items()}


def _tests(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node


def _named(node: ast.AST) -> Iterator[str]:
    """The ids given to every `pytest.mark.req(...)` inside the node."""
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.req":
            yield from (argument.value for argument in call.args if isinstance(argument, ast.Constant))


def unknown(shown: Mapping[str, Sequence[str]], known: Mapping[str, str]) -> list[str]:
    """Marks that name no requirement and no decision."""
    return sorted(name for name in shown if name not in known and not _DECISION.fullmatch(name))


def report(shown: Mapping[str, Sequence[str]], known: Mapping[str, str]) -> str:
    """The page, as text."""
    covered = sum(name in shown for name in known)
    parts = [_INTRODUCTION, f"{covered} of {len(known)} are shown by tests.\n"]
    for area, names in groupby(known, key=lambda name: name.rsplit("-", 1)[0]):
        ids = list(names)
        parts.append(f"## {_AREAS[area]} ({area}): {sum(name in shown for name in ids)} of {len(ids)}\n")
        parts.append("| | What is asked | Shown by |\n| --- | --- | --- |")
        parts.extend(f"| {name} | {known[name]} | {_links(shown.get(name, []))} |" for name in ids)
        parts.append("")
    return "\n".join(parts)


def _links(tests: Sequence[str]) -> str:
    if not tests:
        return "not yet"
    found = (test.split("::") for test in tests)
    return "<br>".join(f"[{name.removeprefix('test_').replace('_', ' ')}](../{path})" for path, name in found)


def main(arguments: Sequence[str]) -> int:
    """Write the report, or check it; returns the exit code."""
    known, shown = titles(), marks()
    if strangers := unknown(shown, known):
        print(f"Marks that name no requirement: {', '.join(strangers)}")
        return 1
    text = report(shown, known)
    if "--check" not in arguments:
        REPORT.write_text(text, encoding="utf-8")
        return 0
    if not REPORT.exists() or REPORT.read_text(encoding="utf-8") != text:
        print("docs/requirements.md is out of date: python -m tests.requirements_report")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

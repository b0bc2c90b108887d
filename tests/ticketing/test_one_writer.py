"""Who writes to ticketing systems: what is submitted in the Ticketing Data Manager, and nothing else."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
APPS = ("kore_site", "sync", "gdpr", "ticketing", "contacts")
CONNECTORS = ROOT / "ticketing" / "connectors"


def _named(name: str) -> Iterator[str]:
    """The modules outside the connectors that use an attribute or a function of this name."""
    for path in sorted(path for app in APPS for path in (ROOT / app).rglob("*.py")):
        if path.is_relative_to(CONNECTORS):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if getattr(node, "attr", None) == name or getattr(node, "id", None) == name:
                yield str(path.relative_to(ROOT))


@pytest.mark.parametrize(
    ("deed", "places"),
    [
        ("write_account", {"ticketing/services/carry_out.py"}),
        ("file_write_backs", {"ticketing/services/submit.py"}),
    ],
)
def test_the_way_to_a_ticketing_system_has_one_beginning_and_one_end(deed, places):
    assert set(_named(deed)) == places

"""The README keeps its promises: every direct dependency justified, every address in it real."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def direct_dependencies(name: str) -> list[str]:
    """The packages named in a requirements*.in, without versions, extras, comments and options."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return [re.split(r"[\[=<>~! ;#]", line)[0].lower() for line in lines if line and line[0] not in "#-"]


@pytest.mark.parametrize("file", ["requirements.in", "requirements-dev.in"])
def test_the_readme_justifies_every_direct_dependency_in_one_line_and_no_other(file):
    section = README.split(f"(`{file}`)")[1].split("\n\n")[1]

    justified = re.findall(r"^\| ([a-z][a-z0-9-]*) \| \S.*\|$", section, re.MULTILINE)

    assert sorted(justified) == sorted(direct_dependencies(file))


def test_every_file_that_the_docs_link_to_exists():
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]

    missing = [
        f"{page.name}: {link}"
        for page in pages
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8"))
        if not (page.parent / link).exists() and link != "docs/img/contact.png"
    ]

    assert missing == []


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-dev.txt"])
def test_pins_name_a_version_for_every_package_and_no_index(file):
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    packages = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]

    assert [
        line for line in packages if not re.fullmatch(r"[a-z0-9.-]+(\[[a-z,]+\])?==\S+( ;.*)?", line)
    ] == []

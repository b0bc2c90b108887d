"""What an import graph cannot see (docs/LAYOUT.md, "The contract")."""

import ast
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.db import models

ROOT = Path(settings.BASE_DIR)
APPS = ("kore_site", "sync", "gdpr", "ticketing", "contacts")  # from the top down
PYTHON_FILES = sorted(
    path
    for folder in (*APPS, "tests", "benchmarks", "verification")
    for path in (ROOT / folder).rglob("*.py")
    if "migrations" not in path.parts
)
OUR_MODELS = [
    model for app in APPS if apps.is_installed(app) for model in apps.get_app_config(app).get_models()
]
PER_SYSTEM_FIELDS = {"system", "system_ref"}
# Rows about pairs and moves: read by the grouping services and, for screens, only through visible refs.
READ_THROUGH_REFS = {"Mapping", "Move", "GoldenPin", "Link", "GroupDecision", "RejectedRow"}
# What grouping keeps for itself; no screen shows it.
READ_THROUGH_REFS |= {"GroupedRef", "PendingRef"}
# The audit trail of rights: no row of a person, and read by those who decide about rights on every system.
READ_THROUGH_REFS |= {"RightsRecord"}
# Parts of a request, line, answer or case, which is shown whole or not at all.
READ_THROUGH_REFS |= {"RequestRef", "HeldRef", "PlanLineRef", "AnswerMember", "CaseRef"}


def _floor(app_label: str) -> int:
    return APPS.index(app_label) if app_label in APPS else len(APPS)


@pytest.mark.parametrize("model", OUR_MODELS, ids=lambda model: model._meta.label)
def test_every_foreign_key_points_to_its_own_app_or_to_one_below(model):
    upwards = [
        field.name
        for field in model._meta.get_fields()
        if isinstance(field, models.ForeignKey)
        and _floor(field.related_model._meta.app_label) < _floor(model._meta.app_label)
    ]

    assert upwards == []


@pytest.mark.parametrize("path", PYTHON_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_has_a_one_line_caption(path):
    source = path.read_text(encoding="utf-8")
    if not source.strip():
        return  # an empty __init__ has nothing to say

    caption = ast.get_docstring(ast.parse(source))

    assert caption, "no docstring"
    assert caption.splitlines()[0].endswith((".", ":", '"')), caption.splitlines()[0]


@pytest.mark.parametrize(
    "path",
    [path for path in PYTHON_FILES if path.relative_to(ROOT).parts[0] in APPS],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_no_file_outgrows_a_screenful_of_screens(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize("name", ["utils.py", "helpers.py", "common", "core", "signals.py"])
def test_no_room_without_a_name(name):
    assert [path for app in APPS for path in (ROOT / app).rglob(name)] == []


@pytest.mark.req("R-MDB-16")
@pytest.mark.parametrize("model", OUR_MODELS, ids=lambda model: model._meta.label)
def test_every_model_of_per_system_rows_can_be_asked_for_the_visible_ones(model):
    per_system = {
        field.name
        for field in model._meta.get_fields()
        if isinstance(field, models.ForeignKey) and field.name in PER_SYSTEM_FIELDS
    }
    if not per_system or model.__name__ in READ_THROUGH_REFS:
        return

    assert hasattr(model.objects.all(), "visible_to")


def test_models_order_nothing_by_themselves():
    assert [model._meta.label for model in OUR_MODELS if model._meta.ordering] == []


def test_only_the_roles_are_applied_by_a_signal():
    receivers = [
        str(path.relative_to(ROOT))
        for path in PYTHON_FILES
        if path.relative_to(ROOT).parts[0] in APPS
        and any(word in path.read_text(encoding="utf-8") for word in ("@receiver", "post_save", "pre_save"))
    ]

    assert receivers == []

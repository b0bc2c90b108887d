"""What every test shares."""

import os
import unittest

import pytest
from django.core.cache import cache
from django.db import connection
from splink.internals.comparison_level import ComparisonLevel

# Only the noise and the cost of hashing differ from the product.
os.environ.setdefault("LOG_LEVEL", "WARNING")

TRANSACTIONAL = {"transactional_db", "live_server"}


def _of_the_database(item: pytest.Item) -> bool:
    """Whether the test may open the database at all: pytest-django lets no other one."""
    is_a_class_of_its_own = getattr(item, "cls", None) is not None and issubclass(item.cls, unittest.TestCase)
    asks = {"db", *TRANSACTIONAL} & {*item.fixturenames}
    return is_a_class_of_its_own or bool(asks) or item.get_closest_marker("django_db") is not None


def _commits(item: pytest.Item) -> bool:
    mark = item.get_closest_marker("django_db")
    return bool(TRANSACTIONAL & {*item.fixturenames}) or bool(mark and mark.kwargs.get("transaction"))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Long tests go first, so that all workers end together; those that commit stay behind the others.

    On PostgreSQL tests that may open no database are left out: they cannot come to anything else there.
    """
    if connection.vendor == "postgresql":
        left_out = [item for item in items if not _of_the_database(item)]
        if left_out and len(left_out) < len(items):
            config.hook.pytest_deselected(items=left_out)
            items[:] = [item for item in items if _of_the_database(item)]
    items.sort(key=lambda item: (_commits(item), item.get_closest_marker("slow") is None))


@pytest.fixture(autouse=True)
def fast_passwords(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def nothing_remembered():
    cache.clear()


@pytest.fixture(autouse=True, scope="session")
def conditions_are_looked_over_once():
    """Splink parses the condition of each level whenever it is given settings; ours are few."""
    as_shipped, seen = ComparisonLevel._validate_sql, set()

    def look_over(level):
        condition = (level.sql_condition, level.sqlglot_dialect)
        if condition not in seen:
            as_shipped(level)
            seen.add(condition)

    ComparisonLevel._validate_sql = look_over
    yield
    ComparisonLevel._validate_sql = as_shipped

"""What every test shares."""

import os

import pytest
from django.core.cache import cache
from splink.internals.comparison_level import ComparisonLevel

# Only the noise and the cost of hashing differ from the product.
os.environ.setdefault("LOG_LEVEL", "WARNING")


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

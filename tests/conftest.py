"""What every test shares."""

import os

import pytest
from django.core.cache import cache

# Only the noise and the cost of hashing differ from the product.
os.environ.setdefault("LOG_LEVEL", "WARNING")


@pytest.fixture(autouse=True)
def fast_passwords(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def nothing_remembered():
    cache.clear()

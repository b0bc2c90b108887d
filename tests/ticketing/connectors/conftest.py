"""Databases to read from, for the tests of connectors."""

import pytest
from django.db import connection

from tests.ticketing.connectors.sql_sources import (
    PostgresSource,
    SqliteSource,
    postgres_database,
)


@pytest.fixture(autouse=True)
def server_of_the_suite(request):
    """Tests of PostgreSQL need the server that the suite's own database is on."""
    if request.node.get_closest_marker("postgres") and connection.vendor != "postgresql":
        pytest.skip("needs PostgreSQL: set DATABASE_URL")


@pytest.fixture(scope="module")
def empty_database():
    if connection.vendor != "postgresql":
        yield ""
        return
    with postgres_database() as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def source(request, tmp_path, empty_database):
    if request.param == "sqlite":
        yield SqliteSource(tmp_path)
        return
    made = PostgresSource(empty_database)
    yield made
    made.close()


@pytest.fixture
def postgres(empty_database):
    made = PostgresSource(empty_database)
    yield made
    made.close()

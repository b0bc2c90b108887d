"""What journeys share."""

import pytest

from tests.journeys.stores import Stores


@pytest.fixture
def stores(tmp_path):
    stores = Stores(tmp_path)
    yield stores
    stores.drop_all()

"""What the tests of nights share."""

import pytest

from sync.services import rehearse_night


@pytest.fixture(autouse=True)
def unhurried(monkeypatch):
    """Rehearsals take their time on a machine that runs other tests on every core."""
    monkeypatch.setattr(rehearse_night, "MOST_SECONDS_EMBEDDED", 600.0)

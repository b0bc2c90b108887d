"""What tests of pulling share: sources on this machine may be read, and one box office stands ready."""

import pytest

from tests.ticketing.sources import Box


@pytest.fixture
def local_sources(settings, tmp_path):
    """Sources in the test's own folder may be read; keys are made there too."""
    settings.ALLOW_LOOPBACK_SOURCES = True
    settings.SOURCE_FILE_ROOTS = [tmp_path]
    settings.CREDENTIAL_KEY_FILE = str(tmp_path / "keys")


@pytest.fixture
def box(tmp_path) -> Box:
    """The empty database of a box office."""
    return Box(tmp_path / "box.sqlite3")

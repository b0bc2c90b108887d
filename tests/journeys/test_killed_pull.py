"""A pull killed in each of its phases and taken up again loses nothing and doubles nothing."""

import json
import signal
import subprocess

import pytest

from tests.journeys.stores import Stores

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

# A phase and the number of its write before which it dies: early and late ones.
DEATHS = [("download", 15), ("apply", 2), ("publish", 21), ("publish", 12), ("compare", 1), ("compare", 5)]


def drive(stores: Stores, name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return stores.run(name, "-m", "tests.journeys.pull_driver", *arguments)


def done(process: subprocess.CompletedProcess[str]) -> dict:
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout.splitlines()[-1])


@pytest.mark.req("R-MDB-1")
def test_a_pull_killed_in_each_phase_ends_as_one_that_was_left_alone(stores, tmp_path):
    base = stores.make("pulled")
    prepared = drive(stores, base, "prepare", tmp_path / "box.sqlite3")
    assert prepared.returncode == 0, prepared.stderr
    calm, stormy = (stores.make(name, copy_of=base) for name in ("calmpull", "stormypull"))
    undisturbed = done(drive(stores, calm, "pull"))
    expected = done(drive(stores, calm, "tell"))

    for phase, write in DEATHS:
        process = drive(stores, stormy, "pull", "--die-in", phase, "--at-write", write)
        assert process.returncode == -signal.SIGKILL, (phase, write, process.stdout, process.stderr)
    ended = done(drive(stores, stormy, "pull"))

    assert (undisturbed["state"], expected["staged"]) == ("done", 0)
    assert len(expected["refs"]) == 80
    assert len(expected["gone"]) == 4
    assert (ended["state"], ended["attempts"]) == ("done", len(DEATHS) + 1)
    assert done(drive(stores, stormy, "tell")) == expected

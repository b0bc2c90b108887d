"""Submit and write-back killed at any step and taken up again: each change reaches the source once."""

import json
import shutil
import signal
import subprocess

import pytest

from tests.journeys.stores import Stores

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

MOST_DEATHS = 30
FEWEST_STEPS, TURNS = 4, 9  # each process comes a little further than the one before it, in turns


def drive(stores: Stores, name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return stores.run(name, "-m", "tests.journeys.write_back_driver", *arguments)


def done(process: subprocess.CompletedProcess[str]) -> object:
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout.splitlines()[-1])


def test_what_was_submitted_is_written_once_whenever_the_process_is_killed(stores, tmp_path):
    base, box = stores.make("submitted"), tmp_path / "box.sqlite3"
    prepared = drive(stores, base, "prepare", box)
    assert prepared.returncode == 0, prepared.stderr
    calm, stormy = (stores.make(name, copy_of=base) for name in ("calmwrite", "stormywrite"))
    as_it_was = tmp_path / "before.sqlite3"
    shutil.copy(box, as_it_was)
    steps = done(drive(stores, calm, "work", box))
    expected = done(drive(stores, calm, "tell", box))
    shutil.copy(as_it_was, box)

    deaths = 0
    for step in range(1, MOST_DEATHS):
        process = drive(stores, stormy, "work", box, "--die-at", FEWEST_STEPS + step % TURNS)
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL, (step, process.stdout, process.stderr)
        deaths += 1
    done(drive(stores, stormy, "work", box))

    assert [state for _ref, state, *_rest in expected["write_backs"]] == ["written"] * 3 + ["refused"]
    assert expected["noted"] == [["C1", "York"], ["C2", "Hull"], ["C3", "Bath"]]
    assert steps > 30
    assert deaths >= 8, deaths
    assert done(drive(stores, stormy, "tell", box)) == expected

"""A night killed anywhere and started again ends with nothing lost and nothing doubled."""

import json
import signal
import subprocess

import pytest

from sync.night import NIGHT
from tests.journeys.stores import Stores

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

# Prepared to be wrong before the night, and right only when the night has come to their steps.
STALE_BEFORE_THE_NIGHT = {
    "stored golden values are what the System Refs say",
    "the sums that a System Ref keeps are those of its purchases",
}


def drive(stores: Stores, name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return stores.run(name, "-m", "tests.journeys.night_driver", *arguments)


def done(process: subprocess.CompletedProcess[str]) -> dict:
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout.splitlines()[-1])


def killed(process: subprocess.CompletedProcess[str]) -> None:
    assert process.returncode == -signal.SIGKILL, process.stderr


@pytest.mark.req("R-CM-39", "R-CM-40", "R-MDB-6", "D-3")
def test_a_night_killed_after_each_step_and_between_writes_ends_as_one_that_was_left_alone(stores):
    base = stores.make("base")
    assert drive(stores, base, "prepare").returncode == 0
    calm, stormy, halting, asked = (
        stores.make(name, copy_of=base) for name in ("calm", "stormy", "halting", "asked")
    )
    undisturbed = done(drive(stores, calm, "night"))
    expected = done(drive(stores, calm, "tell"))

    for position in range(len(NIGHT)):
        killed(drive(stores, stormy, "night", "--die-after-step", position))
    after_steps = done(drive(stores, stormy, "night"))
    deaths = 0
    for nth in (7, 22, 40):
        process = drive(stores, halting, "night", "--die-at-write", nth)
        if process.returncode == 0:
            break
        killed(process)
        deaths += 1
        halfway = done(drive(stores, halting, "tell"))
        assert "every Contact has exactly one primary System Ref" not in halfway["broken"]
        assert set(halfway["broken"]) <= STALE_BEFORE_THE_NIGHT
    between_writes = done(drive(stores, halting, "night"))
    deaths_over_requests = done(drive(stores, asked, "requests"))["deaths"]
    assert done(drive(stores, asked, "night"))["state"] == "done"

    assert expected["broken"] == []
    assert (after_steps["state"], after_steps["resumed"]) == ("done", len(NIGHT))
    assert deaths == 3
    assert between_writes["state"] == "done"
    assert undisturbed["writes"] > 50
    assert done(drive(stores, stormy, "tell")) == expected
    assert done(drive(stores, halting, "tell")) == expected
    assert deaths_over_requests > 20
    assert {state for _kind, state, _changes in expected["requests"]} == {"done"}
    assert done(drive(stores, asked, "tell")) == expected

"""The night is the cluster's work: without a cluster nothing happens, with one it does, and once."""

import json
import signal

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.mark.req("R-SYS-4", "R-CM-39")
def test_a_night_asked_for_or_missed_waits_for_the_cluster_and_then_runs_once(stores):
    store = stores.make("cluster")

    def drive(*arguments):
        process = stores.run(store, "-m", "tests.journeys.cluster_driver", *arguments)
        assert process.returncode == 0, process.stderr
        return json.loads(process.stdout.splitlines()[-1]) if process.stdout else None

    filed = drive("file")
    cluster = stores.start(store, "manage.py", "qcluster")
    try:
        asked = drive("wait", 0)
    finally:
        cluster.send_signal(signal.SIGTERM)
        cluster.communicate(timeout=60)
    drive("miss")
    missed = drive("tell")
    cluster = stores.start(store, "manage.py", "qcluster")
    try:
        made_up = drive("wait", 1)
    finally:
        cluster.send_signal(signal.SIGTERM)
        cluster.communicate(timeout=60)

    by_hand, by_schedule = ["hand", "manager", "done"], ["schedule", "cluster", "done"]
    assert filed == {"nights": [], "next_is_planned": True}
    assert asked == {"nights": [by_hand], "next_is_planned": True}
    assert missed == {"nights": [by_hand], "next_is_planned": False}
    assert made_up == {"nights": [by_hand, by_schedule], "next_is_planned": True}

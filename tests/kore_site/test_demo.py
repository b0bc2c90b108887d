"""The demonstration as a newcomer meets it: an empty folder, one command, a product that runs and stops."""

import contextlib
import http.cookiejar
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
REFS = 300
PASSWORD = "correct-horse-7"

# On one worker: they share the folder.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("demo")]


def demo(*arguments: str) -> list[str]:
    """The command line of the demonstration."""
    return [sys.executable, str(ROOT / "manage.py"), "demo", f"--refs={REFS}", *arguments]


def bare_environment(folder: Path) -> dict[str, str]:
    """Nothing of this machine's settings: the embedded product, everything in the folder."""
    return {"PATH": os.environ["PATH"], "HOME": str(folder), "VAR_DIR": str(folder / "kept here")}


def run_demo(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        demo(*arguments),
        env=bare_environment(folder),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def ask(folder: Path, expression: str) -> str:
    """What the demonstration's own database answers to an expression."""
    imports = "from contacts.models import *; from django.contrib.auth.models import User; "
    imports += (
        "from django.contrib.auth import authenticate; from ticketing.models import Purchase, WriteBack; "
    )
    imports += "from contacts.permissions import SystemRight; CHANGE = SystemRight.CHANGE; "
    return subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "shell", "-v0", "-c", f"{imports}print({expression})"],
        env=bare_environment(folder),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout.strip()


@pytest.fixture(scope="module")
def loaded(tmp_path_factory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A folder with a space in which the demonstration was loaded once, and what it said."""
    folder = tmp_path_factory.mktemp("a demo")
    return folder, run_demo(folder, "--no-serve", f"--password={PASSWORD}")


def test_the_demo_goes_from_an_empty_folder_to_golden_records_and_says_what_it_did(loaded):
    folder, first = loaded

    assert first.returncode == 0, first.stderr
    for caption in (
        "What came in",
        "The nights",
        "The ticket systems",
        "The golden records",
        "Who may sign in",
    ):
        assert f"\n{caption}\n" in first.stdout
    assert f"password: {PASSWORD}" in first.stdout
    refs, contacts, unplaced = ask(
        folder,
        "SystemRef.objects.exclude(system__kind='hand').count(), Contact.objects.count(), "
        "SystemRef.objects.unplaced().count()",
    ).split()
    assert (refs, unplaced) == (str(REFS), "0")
    assert REFS / 2 < int(contacts) < REFS
    assert "\x1b[" not in first.stdout + first.stderr  # nobody watches: no colours, no redrawing


def test_every_user_of_the_demo_can_sign_in_and_the_rep_sees_one_unit_only(loaded):
    folder, _first = loaded

    everyone = "('admin', 'manager', 'rep', 'officer')"
    signs_in = f"[bool(authenticate(username=u, password={PASSWORD!r})) for u in {everyone}]"
    codes = "TicketSystem.objects.visible_to(User.objects.get(username='rep')).values_list('code', flat=True)"
    changeable = codes.replace(")).values", "), CHANGE).values")

    signed_in, seen_by_rep, changed_by_rep = ask(
        folder, f"{signs_in}, '|', sorted({codes}), '|', sorted({changeable})"
    ).split(" | ")

    assert signed_in == "[True, True, True, True]"
    assert seen_by_rep == "['CLUB', 'HAND-MARINERS', 'MAR', 'SHOP']"
    assert changed_by_rep == "['HAND-MARINERS', 'MAR', 'SHOP']"


def test_the_queues_of_the_demo_hold_something_of_everything(loaded):
    folder, _first = loaded

    states = "sorted(WriteBack.objects.values_list('state', flat=True).distinct())"
    owners = "CrmDetails.objects.exclude(owner=None).exclude(segment='').count()"
    others = (
        "HeldValue.objects.conflicts().count(), RightsRecord.objects.filter(by__username='manager').count()"
    )

    assert ask(folder, states) == "['refused', 'to_do', 'written']"
    assert ask(folder, owners) == "40"
    assert ask(folder, others) == "4 7"
    assert ask(folder, "Organisation.objects.get().locks_crm_fields") == "True"
    requests = "sorted(GroupRequest.objects.values_list('kind', 'state'))"
    undoable = "GroupChange.objects.standing().exclude(request=None).count()"
    never = "GroupDecision.objects.standing().filter(kind='never').count()"
    assert ask(folder, requests) == (
        "[('group', 'done'), ('group', 'waiting'), ('split', 'held'), ('ungroup', 'waiting')]"
    )
    assert ask(folder, f"{undoable}, {never}, Case.objects.get().state") == "1 1 open"
    assert int(ask(folder, "Link.objects.filter(decision='review').count()")) > 5


def test_the_demo_started_again_loads_nothing_and_never_tells_the_old_password(loaded):
    folder, _first = loaded
    counts = "SystemRef.objects.count(), Purchase.objects.count(), FieldChange.objects.count()"
    before = ask(folder, counts)

    again = run_demo(folder, "--no-serve")

    assert again.returncode == 0
    assert "There is data here already: nothing was loaded." in again.stdout
    assert "password: as printed at the first start; --password sets one" in again.stdout
    assert PASSWORD not in again.stdout
    assert ask(folder, counts) == before


def test_the_demo_refuses_a_port_that_is_taken_before_it_does_anything(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        refused = run_demo(tmp_path, f"--port={port}")

    assert refused.returncode == 2
    assert refused.stderr == (
        f"CommandError: Port {port} is taken by another program. Choose another one with --port.\n"
    )
    assert not (tmp_path / "kept here" / "kore.sqlite3").exists()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def serving(folder: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    """The demonstration, serving; whatever it started is ended at last."""
    process = subprocess.Popen(
        demo(f"--port={port}"),
        env=bare_environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            for left in [*family(process), process]:
                left.kill()
        process.wait()
        process.stdout.close()


def read_until(process: subprocess.Popen[str], words: str) -> str:
    """What it says up to the line with these words; all it said, when it ends without them."""
    said = ""
    for line in process.stdout:
        said += line
        if words in line:
            break
    return said


def sign_in(address: str, username: str) -> str:
    """The page that somebody sees after signing in by the form."""
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    form = browser.open(f"{address}admin/login/", timeout=30).read().decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form).group(1)
    sent = {"username": username, "password": PASSWORD, "csrfmiddlewaretoken": token, "next": "/admin/"}
    request = urllib.request.Request(
        f"{address}admin/login/", urllib.parse.urlencode(sent).encode(), {"Referer": f"{address}admin/login/"}
    )
    return browser.open(request, timeout=30).read().decode()


def family(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM])
def test_the_demo_serves_web_and_cluster_until_it_is_told_to_stop_and_leaves_nobody_behind(loaded, told):
    folder, _first = loaded
    port = free_port()
    address = f"http://127.0.0.1:{port}/"

    with serving(folder, port) as process:
        said = read_until(process, "Ctrl-C stops it.")
        assert f"Kore is running at {address}" in said, said
        running = family(process)
        commands = [" ".join(child.cmdline()) for child in running]
        page = sign_in(f"{address}", "rep")
        process.send_signal(told)
        rest = process.stdout.read()
        code = process.wait(timeout=60)

    assert any("gunicorn" in command for command in commands)
    assert any("qcluster" in command for command in commands)
    assert "Reyes" in page or "rep" in page
    assert (code, rest) == (0, "Stopped.\n")
    assert [child for child in running if child.is_running() and child.status() != psutil.STATUS_ZOMBIE] == []


def test_the_demo_ends_with_the_reason_when_one_of_its_processes_dies(loaded):
    folder, _first = loaded

    with serving(folder, free_port()) as process:
        read_until(process, "Ctrl-C stops it.")
        running = family(process)
        next(child for child in running if "qcluster" in child.cmdline()).kill()
        rest = process.stdout.read()
        code = process.wait(timeout=60)

    assert code == 1
    assert "The cluster stopped (exit code -9). Its last words, from" in rest
    assert [child for child in running if child.is_running() and child.status() != psutil.STATUS_ZOMBIE] == []

"""A pretix of its own: installed from PyPI, on SQLite, under gunicorn on loopback, in one folder."""

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VERSION = "2026.8.0"
PACKAGES = (f"pretix=={VERSION}", "gunicorn==27.0.1")
_FILL = Path(__file__).with_name("pretix_fill.py")
_START_SECONDS = 120


class CannotStart(Exception):
    """pretix could not be installed or started; says what it said."""


@dataclass(frozen=True)
class PretixServer:
    """A pretix that runs."""

    url: str
    python: Path
    folder: Path
    facts: dict[str, Any]

    def add_hook(self, url: str) -> None:
        """Have it send its hints to an address."""
        _fill(self.python, self.folder, url)


def installed(venv: Path) -> Path:
    """The Python of a virtual environment with pretix, which is made where there is none."""
    python = venv / "bin" / "python"
    if not python.exists():
        print(f"Making {venv} ...", flush=True)
        _run([sys.executable, "-m", "venv", str(venv)])
    found = subprocess.run(
        [python, "-c", "import gunicorn, pretix; print(pretix.__version__)"],
        capture_output=True,
        text=True,
        check=False,
    )
    if found.stdout.strip() != VERSION:
        print(f"Installing {' and '.join(PACKAGES)}, which takes some minutes ...", flush=True)
        _run([str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check", *PACKAGES])
    return python


@contextmanager
def pretix_server(python: Path, folder: Path) -> Iterator[PretixServer]:
    """A fresh pretix in a folder of its own, filled and running while the block does."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "data").mkdir(parents=True)
    port = _free_port()
    _configure(folder, f"http://127.0.0.1:{port}")
    _migrate(python, folder)
    facts = _fill(python, folder)
    with _serving(python, folder, port) as url:
        yield PretixServer(url, python, folder, facts)


def _configure(folder: Path, url: str) -> None:
    (folder / "pretix.cfg").write_text(
        f"""[pretix]
instance_name=Verification
url={url}
datadir={folder / "data"}
allow_http_to_private_networks=on
[database]
backend=sqlite3
name={folder / "pretix.sqlite3"}
[mail]
from=nobody@example.com
[django]
debug=off
secret={secrets.token_hex(32)}
""",
        encoding="utf-8",
    )


def _migrate(python: Path, folder: Path) -> None:
    """Bring the database up; an empty one is kept beside the virtual environment for the next time."""
    database, empty = folder / "pretix.sqlite3", python.parent.parent / f"empty-{VERSION}.sqlite3"
    if empty.exists():
        shutil.copy(empty, database)
        return
    print("Migrating pretix's database, which takes a minute or two ...", flush=True)
    _run([str(python), "-m", "pretix", "migrate", "--verbosity", "0"], folder)
    shutil.copy(database, empty)


@contextmanager
def _serving(python: Path, folder: Path, port: int) -> Iterator[str]:
    url = f"http://127.0.0.1:{port}"
    command = [str(python), "-m", "gunicorn", "pretix.wsgi", "--bind", f"127.0.0.1:{port}", "--workers", "2"]
    command += ["--timeout", "120", "--no-control-socket"]
    with (folder / "gunicorn.log").open("wb") as log:
        process = subprocess.Popen(
            command, env=_environment(folder), cwd=folder, stdout=log, stderr=log, start_new_session=True
        )
        try:
            _wait_for(url, process, folder / "gunicorn.log")
            yield url
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)


def _wait_for(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait until pretix answers; it refuses us politely without a token."""
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            urllib.request.urlopen(f"{url}/api/v1/version", timeout=30)
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.3)
    raise CannotStart(f"pretix did not start:\n{log.read_text()[-2000:]}")


def _fill(python: Path, folder: Path, *arguments: str) -> dict[str, Any]:
    said = _run([str(python), "-P", str(_FILL), *arguments], folder)
    line = next(line for line in said.splitlines() if line.startswith("FILLED "))
    facts: dict[str, Any] = json.loads(line.removeprefix("FILLED "))
    return facts


def _run(command: list[str], folder: Path | None = None) -> str:
    environment = _environment(folder) if folder else None
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotStart(f"{' '.join(command[:4])} failed:\n{(done.stderr or done.stdout)[-2000:]}")
    return done.stdout


def _environment(folder: Path) -> dict[str, str]:
    """Ours without our Django's settings, and with pretix's."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "PYTHONPATH"))
    }
    return {
        **kept,
        "PRETIX_CONFIG_FILE": str(folder / "pretix.cfg"),
        "DJANGO_SETTINGS_MODULE": "pretix.settings",
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

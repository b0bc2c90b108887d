"""Kore as its users have it: its commands, each a process of its own, on an embedded database."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import django

ROOT = Path(__file__).resolve().parent.parent


class CommandFailed(Exception):
    """A command ended with another exit code than it should have."""


class Kore:
    """An installation in a folder. Make it before anything of Django is imported, which reads settings."""

    def __init__(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        os.environ.pop("DATABASE_URL", None)
        os.environ.update(
            VAR_DIR=str(folder), ALLOW_LOOPBACK_SOURCES="1", DJANGO_SETTINGS_MODULE="kore_site.settings"
        )
        self.command("migrate", "--verbosity", "0")
        django.setup()

    def command(self, *arguments: str, exit_code: int = 0, **environment: str) -> str:
        """Run a command; returns what it printed. Raises CommandFailed."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != exit_code:
            said = (done.stdout + done.stderr)[-2000:]
            raise CommandFailed(f"{' '.join(arguments)} ended with {done.returncode}:\n{said}")
        return done.stdout

    def pull(self, code: str, *arguments: str) -> dict[str, Any]:
        """Pull a system; returns what the command tells."""
        told: dict[str, Any] = json.loads(self.command("pull", code, "--json", *arguments))
        return told

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Kore's web server on loopback while the block runs; yields its address."""
        from django.core.wsgi import get_wsgi_application  # noqa: PLC0415  (settings first)

        with make_server("127.0.0.1", 0, get_wsgi_application(), handler_class=_Silent) as server:
            thread = threading.Thread(
                target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
            )
            thread.start()
            try:
                yield f"http://127.0.0.1:{server.server_port}"
            finally:
                server.shutdown()
                thread.join()


class _Silent(WSGIRequestHandler):
    def log_message(self, *_args: object) -> None:
        """What counts is checked."""

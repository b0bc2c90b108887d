"""Serves the web pages and runs the cluster as children of one command, until it is told to stop."""

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from django_q.models import Success
from django_q.tasks import async_task

HOST = "127.0.0.1"
_START_SECONDS = 60
_STOP_SECONDS = 15
_LOOK_EVERY = 0.25
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class PortTaken(Exception):
    """Nothing of ours can listen there; says why."""

    def __init__(self, port: int, *, why: str = "is taken by another program") -> None:
        super().__init__(f"Port {port} {why}. Choose another one with --port.")


class ChildStopped(Exception):
    """A child ended, or never answered; says which, and the last it wrote."""


@dataclass
class Child:
    """One process of the product, in a session of its own, writing to a log."""

    name: str
    command: Sequence[str]
    log: Path
    environment: Mapping[str, str]
    process: subprocess.Popen[bytes] = field(init=False)

    def start(self) -> None:
        """Begin; Ctrl-C in the terminal does not reach it, so that one place decides when it stops."""
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment,
                start_new_session=True,
            )

    def ask_to_stop(self) -> None:
        """Let it finish what it is at."""
        if self.process.poll() is None:
            self.process.terminate()

    def stop_for_good(self, *, before: float) -> None:
        """Wait for its end until the moment `before` (monotonic), then end it and all that it started."""
        try:
            self.process.wait(max(0.1, before - time.monotonic()))
        except subprocess.TimeoutExpired:
            pass
        finally:
            self._end_the_rest()
            self.process.wait()

    def _end_the_rest(self) -> None:
        """The child leads its own process group: whatever it left behind is still in there."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return

    def check(self) -> None:
        """Raise ChildStopped when it has ended by itself."""
        if self.process.poll() is not None:
            raise ChildStopped(
                f"The {self.name} stopped (exit code {self.process.returncode}). Its last words, "
                f"from {self.log}:\n{self.last_words()}"
            )

    def last_words(self, lines: int = 15) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def check_port(port: int) -> None:
    """Raise PortTaken unless the port can be listened on."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OverflowError:
            raise PortTaken(port, why="is none: ports end at 65535") from None
        except PermissionError:
            raise PortTaken(port, why="is for administrators only") from None
        except OSError:
            raise PortTaken(port) from None


def children(port: int, *, manage: Path, folder: Path, environment: Mapping[str, str]) -> tuple[Child, Child]:
    """The web server on this port and the cluster, with their logs in the folder; not started yet.

    `environment`: variables that they get beside ours.
    """
    conf = Path(__file__).resolve().parent.parent / "gunicorn_conf.py"
    folder.mkdir(parents=True, exist_ok=True)
    web = [sys.executable, "-m", "gunicorn", "-c", str(conf), "--bind", f"{HOST}:{port}", "kore_site.wsgi"]
    cluster = [sys.executable, str(manage), "qcluster"]
    both = {**os.environ, **environment}
    return (
        Child("web server", web, folder / "web.log", both),
        Child("cluster", cluster, folder / "cluster.log", both),
    )


def serve(web: Child, cluster: Child, *, port: int, when_ready: Callable[[], None]) -> None:
    """Run both until SIGINT, SIGTERM or SIGHUP; `when_ready` is called once both have answered.

    Returns when told to stop and both have ended. Raises ChildStopped when one ends by itself or does not
    answer within a minute; the other has ended then too.
    """
    both = (web, cluster)
    with _told_to_stop() as stop:
        try:
            for child in both:
                child.start()
            if _until(lambda: _web_answers(port), both, stop) and _until(_answer_to_a_task(), both, stop):
                when_ready()
            while not stop.wait(_LOOK_EVERY):
                for child in both:
                    child.check()
        finally:
            _stop(both)


@contextmanager
def _told_to_stop() -> Iterator[threading.Event]:
    """An event that is set by the first signal to stop; further ones change nothing."""
    stop = threading.Event()
    before = {}
    for number in _STOP_SIGNALS:
        if number is signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
            continue  # started with nohup: outlives its terminal
        before[number] = signal.signal(number, lambda *_: stop.set())
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _until(answers: Callable[[], bool], both: Sequence[Child], stop: threading.Event) -> bool:
    """Wait until it answers; False when told to stop meanwhile."""
    deadline = time.monotonic() + _START_SECONDS
    while not answers():
        for child in both:
            child.check()
        if time.monotonic() > deadline:
            raise ChildStopped(f"No answer within {_START_SECONDS} seconds; see {both[0].log.parent}.")
        if stop.wait(_LOOK_EVERY):
            return False
    return True


def _web_answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/healthz/", timeout=5) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def _answer_to_a_task() -> Callable[[], bool]:
    """Give the cluster something to do; answers True once it has done it, and clears it away."""
    logging.getLogger("django-q").setLevel(logging.WARNING)  # else it speaks into the progress line
    task = async_task("math.sqrt", 1)

    def answered() -> bool:
        return bool(Success.objects.filter(pk=task).delete()[0])

    return answered


def _stop(both: Sequence[Child]) -> None:
    started = [child for child in both if hasattr(child, "process")]
    for child in started:
        child.ask_to_stop()
    deadline = time.monotonic() + _STOP_SECONDS
    for child in started:
        child.stop_for_good(before=deadline)

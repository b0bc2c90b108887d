"""A line that grows while work goes on; plain lines where nobody watches."""

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TextIO, TypeVar

Item = TypeVar("Item")

_NAME = 38
_WIDTH = 24
_SECONDS_BETWEEN = 0.1


class Progress:
    """One piece of work on one line: its name, a bar where the total is known, seconds when it is done.

    On a terminal the line is redrawn as it goes; elsewhere it is written once, when the work is done.
    """

    def __init__(self, name: str, *, total: int = 0, stream: TextIO | None = None) -> None:
        self.name = name
        self.total = total
        self.done = 0
        self.stream = stream or sys.stderr
        self.is_watched = self.stream.isatty()
        self.began = time.monotonic()
        self._drawn = 0.0

    def to(self, done: int, total: int | None = None) -> None:
        """The work stands here now."""
        self.done = done
        self.total = self.total if total is None else total
        if self.is_watched and time.monotonic() - self._drawn >= _SECONDS_BETWEEN:
            self._drawn = time.monotonic()
            self._write(self._bar(), end="")

    def finish(self, result: str) -> None:
        """The work is done, with this result."""
        seconds = f"{time.monotonic() - self.began:5.1f} s"
        self._write(f"{self.name:<{_NAME}} {seconds}  {result}", end="\n")

    def _bar(self) -> str:
        if not self.total:
            return f"{self.name:<{_NAME}} {self.done:,}" if self.done else f"{self.name:<{_NAME}} …"
        filled = min(_WIDTH, _WIDTH * self.done // self.total)
        return f"{self.name:<{_NAME}} {'█' * filled}{'░' * (_WIDTH - filled)} {self.done:,} of {self.total:,}"

    def _write(self, text: str, *, end: str) -> None:
        before = "\r\x1b[K" if self.is_watched else ""
        self.stream.write(f"{before}{text}{end}")
        self.stream.flush()


@contextmanager
def progress(name: str, *, total: int = 0) -> Iterator[Progress]:
    """A line for the block; when the block fails, its line stays as it was."""
    line = Progress(name, total=total)
    line.to(0)
    try:
        yield line
    except BaseException:
        if line.is_watched:
            line.stream.write("\n")
        raise


def counted(items: Iterable[Item], line: Progress) -> Iterator[Item]:
    """The items, the line moving on with each."""
    for number, item in enumerate(items, 1):
        yield item
        line.to(number)

"""What a verification checked, one line each, and whether all of it held."""

import time
from typing import Any


class Checks:
    """Prints every check as it is made; `failed` names those that did not hold."""

    def __init__(self) -> None:
        self.count = 0
        self.failed: list[str] = []
        self._began = time.monotonic()

    def step(self, what: str) -> None:
        """Say what comes next."""
        print(f"-- {what}", flush=True)

    def equal(self, what: str, found: Any, wanted: Any) -> None:
        """Check that something is what it has to be."""
        self.true(what, found == wanted, said="" if found == wanted else f"{found!r} instead of {wanted!r}")

    def true(self, what: str, holds: bool, *, said: str = "") -> None:
        """Check that something holds."""
        self.count += 1
        if not holds:
            self.failed.append(what)
        print(f"   {'ok  ' if holds else 'FAIL'} {what}{': ' + said if said else ''}", flush=True)

    def summary(self) -> str:
        """One line: how many held, in how many seconds."""
        seconds = time.monotonic() - self._began
        held = self.count - len(self.failed)
        return (
            f"{'PASSED' if not self.failed else 'FAILED'}: {held} of {self.count} checks in {seconds:.0f} s"
        )

"""The orders of one pass, kept in a temporary file, so that one pass over them serves every data set."""

import json
import sqlite3
from collections.abc import Iterator

from ticketing.connectors.pretix_walks import Step

MOST_STEPS = 4_000  # 200,000 orders, some 200 MB; a larger pass is read for each data set


class KeptOrders:
    """What one walk over the orders brought. It serves the walks of the same window once it is whole.

    The file is SQLite's own temporary one: it has no name, and is gone when it is closed. `at` is the
    source's moment before the walk began.
    """

    def __init__(self, window: str, at: str) -> None:
        self.window = window
        self.at = at
        self.is_whole = False
        self._file = sqlite3.connect("", check_same_thread=False)
        self._file.execute("CREATE TABLE step (number INTEGER PRIMARY KEY, told TEXT)")
        self._steps = 0

    def keep(self, steps: Iterator[Step]) -> Iterator[Step]:
        """Hand the steps of a walk on, and keep them."""
        for step in steps:
            self._steps += 1
            if self._steps <= MOST_STEPS:
                told = json.dumps([list(step.rows), step.behind, step.count])
                self._file.execute("INSERT INTO step (told) VALUES (?)", [told])
            yield step
        self.is_whole = self._steps <= MOST_STEPS

    def steps(self) -> Iterator[Step]:
        """The walk once more."""
        for (told,) in self._file.execute("SELECT told FROM step ORDER BY number"):
            rows, behind, count = json.loads(told)
            yield Step(rows, behind, count)

    def close(self) -> None:
        """Drop the file."""
        self._file.close()

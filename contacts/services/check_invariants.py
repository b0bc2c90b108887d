"""Asks of the whole database what must always be true."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from itertools import islice

from django.apps import apps
from django.utils.module_loading import module_has_submodule

EXAMPLES = 5


@dataclass(frozen=True)
class Verdict:
    """How one invariant stands: how many rows break it, and the first few of them by name."""

    name: str
    broken: int
    examples: Sequence[str]


class NotWhole(Exception):
    """Something that must always be true is not; the sentence names what, and never a personal value."""

    def __init__(self, broken: Sequence[Verdict]) -> None:
        self.broken = broken
        super().__init__(" ".join(sentence(verdict) for verdict in broken))


def sentence(verdict: Verdict) -> str:
    """The verdict on a broken invariant in words."""
    more = ", ..." if verdict.broken > len(verdict.examples) else ""
    return f"Broken: {verdict.name}: {verdict.broken:,} ({', '.join(verdict.examples)}{more})."


def check_invariants() -> Iterator[Verdict]:
    """Each invariant of every app (their `invariants.py`) and how it stands, from the lowest app up."""
    for config in reversed(list(apps.get_app_configs())):
        if module_has_submodule(config.module, "invariants"):
            for invariant in import_module(f"{config.name}.invariants").INVARIANTS:
                found = invariant.find()
                examples = list(islice(found, EXAMPLES))
                yield Verdict(invariant.name, len(examples) + sum(1 for _ in found), examples)


def require_whole(now: datetime, progress: Callable[[int, int], None]) -> dict[str, int]:
    """The night's check: how many hold; raises NotWhole when one does not."""
    verdicts = list(check_invariants())
    broken = [verdict for verdict in verdicts if verdict.broken]
    if broken:
        raise NotWhole(broken)
    progress(len(verdicts), len(verdicts))
    return {"checked": len(verdicts), "broken": 0}

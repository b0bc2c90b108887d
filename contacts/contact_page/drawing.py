"""Where the dots and lines of "why together" stand: plain geometry, the same for the same refs."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH = 720
MOST_EVEN = 12
_CHARACTER = 6.4  # of the tabular face at 11 px
_HEIGHT_OF_DOT = 24


@dataclass(frozen=True)
class Dot:
    """A ref: the middle of its pill, and how wide the pill is."""

    x: float
    y: float
    width: float

    @property
    def left(self) -> float:
        return round(self.x - self.width / 2, 1)

    @property
    def top(self) -> float:
        return self.y - _HEIGHT_OF_DOT / 2


def height(count: int) -> int:
    """How high a drawing of so many dots is."""
    return 110 if count <= 2 else min(140 + 28 * count, 900)


def dots(labels: Sequence[str]) -> list[Dot]:
    """A place for each label: side by side for two, else around an ellipse from the top, clockwise."""
    count = len(labels)
    middle, half = WIDTH / 2, height(count) / 2
    places = []
    for number, label in enumerate(labels):
        width = max(len(label) * _CHARACTER + 16, 44)
        if count <= 2:
            beside = 200 * (2 * number - 1) if count == 2 else 0
            places.append(Dot(middle + beside, half, round(width, 1)))
            continue
        across, down = _on_circle(number, count)
        x, y = middle + (WIDTH / 2 - 90) * across, half + (half - 26) * down
        places.append(Dot(round(x, 1), round(y, 1), round(width, 1)))
    return places


def _on_circle(number: int, count: int) -> tuple[float, float]:
    """Evenly round the circle; of many, evenly from top to bottom, so that no pill covers another."""
    if count <= MOST_EVEN:
        angle = 2 * math.pi * number / count - math.pi / 2
        return math.cos(angle), math.sin(angle)
    turn = number / count
    down = 4 * turn - 1 if turn < 0.5 else 3 - 4 * turn
    across = math.sqrt(max(1 - down * down, 0))
    return (across if turn < 0.5 else -across), down


def label_between(a: Dot, b: Dot) -> tuple[float, float]:
    """Where the figure of a line stands: off its middle, where lines through the centre would all meet."""
    return round(a.x + 0.42 * (b.x - a.x), 1), round(a.y + 0.42 * (b.y - a.y), 1)


def thickness(weight: float) -> float:
    """Of a line, by the weight of its link in bits: 1.2 to 6."""
    return round(min(max(weight / 10, 1.2), 6), 1)


@dataclass(frozen=True)
class Scale:
    """Bits to horizontal places in a picture `width` wide, with a margin so that no bar touches the edge."""

    lowest: float
    highest: float
    width: int = 200

    def at(self, bits: float) -> float:
        span = (self.highest - self.lowest) or 1
        return round(4 + (bits - self.lowest) / span * (self.width - 8), 1)


def scale(totals: Sequence[float], threshold: float) -> Scale:
    """A scale that holds every running total, nought and the threshold."""
    return Scale(min(*totals, 0, threshold), max(*totals, 0, threshold))


def parts(refs: Sequence[int], pairs: Sequence[tuple[int, int]]) -> list[set[int]]:
    """The refs in sets that the pairs hold together, each single ref a set of its own."""
    home: dict[int, set[int]] = {ref: {ref} for ref in refs}
    for left, right in pairs:
        if home[left] is not home[right]:
            joined = home[left] | home[right]
            home.update(dict.fromkeys(joined, joined))
    return list({id(part): part for part in home.values()}.values())


def spanning(pairs: Mapping[tuple[int, int], float]) -> list[tuple[int, int]]:
    """The pairs of a maximum spanning tree: they hold everything together, strongest first."""
    home: dict[int, set[int]] = {}
    kept = []
    for pair in sorted(pairs, key=lambda pair: (-pairs[pair], pair)):
        left, right = (home.setdefault(ref, {ref}) for ref in pair)
        if left is not right:
            joined = left | right
            home.update(dict.fromkeys(joined, joined))
            kept.append(pair)
    return kept

"""The drawings of reports, in the units of their SVG: stacked columns over time, bars over systems."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

HEIGHT = 100
WIDTH = 1000
LABELS = 12
WIDEST = 72
BAR_WIDTH = 300
REST = "rest"


@dataclass(frozen=True)
class Layer:
    """One thing that columns are stacked of: its name, and its colour as the end of a class."""

    name: str
    tone: str


@dataclass(frozen=True)
class Piece:
    """A part of a column."""

    tone: str
    y: float
    height: float


@dataclass(frozen=True)
class Stack:
    """A column, its parts from below, and what it says on hover."""

    label: str
    says: str
    x: float
    width: float
    pieces: Sequence[Piece]
    is_labelled: bool
    withheld: str = ""

    @property
    def top(self) -> float:
        """Where the mark of what is withheld stands: above what is drawn."""
        return max(min((piece.y for piece in self.pieces), default=HEIGHT) - 4, 9)

    @property
    def middle(self) -> float:
        """Where its label stands, which must not be cut off at the edge."""
        return max(round(self.x + self.width / 2, 1), 26)


@dataclass(frozen=True)
class Columns:
    """Stacked columns; `highest` is what full height stands for, as text."""

    title: str
    layers: Sequence[Layer]
    stacks: Sequence[Stack]
    highest: str
    template: str = "reports/columns.html"

    @property
    def is_partly_withheld(self) -> bool:
        return any(stack.withheld for stack in self.stacks)


@dataclass(frozen=True)
class Bar:
    """A bar with its label, what it says, and its length in the unit of the chart."""

    label: str
    says: str
    length: float
    tone: str


@dataclass(frozen=True)
class Bars:
    """Bars one under the other."""

    title: str
    bars: Sequence[Bar]
    template: str = "reports/bars.html"


Chart = Columns | Bars
Amount = Decimal | int


@dataclass(frozen=True)
class Point:
    """What a column is drawn of: an amount for each layer; `withheld` marks that it is not all of it."""

    label: str
    says: str
    amounts: Sequence[Amount]
    withheld: str = ""


def stacked(title: str, layers: Sequence[Layer], points: Sequence[Point], highest: str) -> Columns:
    """Columns from left to right; what is below nothing is drawn as nothing."""
    most = max((_sum(point) for point in points), default=0)
    step = min(WIDEST, WIDTH / max(len(points), 1))
    every = -(-len(points) // LABELS)
    stacks = []
    for number, point in enumerate(points):
        pieces, y = [], float(HEIGHT)
        for layer, amount in zip(layers, point.amounts, strict=True):
            height = round(float(amount) / float(most) * HEIGHT, 1) if most and amount > 0 else 0
            # The rest is drawn even at no height: a page looks alike whether others have sold or not.
            if height or layer.tone == REST:
                y = round(y - height, 1)
                pieces.append(Piece(layer.tone, y, height))
        is_labelled = number % every == 0
        x, width = round(number * step, 1), round(step * 0.8, 1)
        stacks.append(Stack(point.label, point.says, x, width, pieces, is_labelled, point.withheld))
    return Columns(title, layers, stacks, highest)


def highest_of(points: Sequence[Point]) -> Amount:
    """What the highest column stands for."""
    return max((_sum(point) for point in points), default=0)


def bars(title: str, told: Sequence[tuple[str, str, Amount, str]], *, full: Amount = 0) -> Bars:
    """Bars of (label, what it says, amount, tone), scaled to `full`, else to the longest."""
    most = full or max((amount for _label, _says, amount, _tone in told), default=0)
    return Bars(
        title,
        [
            Bar(
                label,
                says,
                max(1.0, round(float(amount) / float(most) * BAR_WIDTH, 1)) if most and amount > 0 else 0,
                tone,
            )
            for label, says, amount, tone in told
        ],
    )


def _sum(point: Point) -> Amount:
    return sum((amount for amount in point.amounts if amount > 0), start=0)

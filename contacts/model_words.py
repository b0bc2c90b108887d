"""A model as people read it: its levels in words, and each level's weight beside its preset, with bars."""

from collections.abc import Sequence
from dataclasses import dataclass

from contacts.grouping.comparisons import COMPARISONS, Weights, with_weights

BAR_BITS = 20.0  # a bar of this many bits is full
_LEVELS = {"exact": "the same", "initial": "an initial"}


@dataclass(frozen=True)
class WeightLine:
    """One level: its weight versus a stranger and versus a housemate in bits, in the preset and now.

    `is_first` on the first level of its comparison, of `levels`.
    """

    comparison: str
    level: str
    is_first: bool
    levels: int
    preset: float
    weight: float
    preset_household: float
    household: float

    @property
    def bar(self) -> int:
        """Percent of a full bar."""
        return _percent(self.weight)

    @property
    def preset_bar(self) -> int:
        return _percent(self.preset)

    @property
    def is_changed(self) -> bool:
        return abs(self.weight - self.preset) >= 0.05 or abs(self.household - self.preset_household) >= 0.05


def level_in_words(label: str) -> str:
    """A level of agreement as every screen calls it."""
    return _LEVELS.get(label, label)


def weight_lines(weights: Weights) -> Sequence[WeightLine]:
    """Every level of every comparison, strongest first, under these weights (none: the preset's)."""
    return [
        WeightLine(
            comparison=comparison.label,
            level=level_in_words(level.label),
            is_first=position == 0,
            levels=len(comparison.levels),
            preset=preset.weight,
            weight=level.weight,
            preset_household=preset.household,
            household=level.household,
        )
        for comparison, before in zip(with_weights(weights), COMPARISONS, strict=True)
        for position, (level, preset) in enumerate(zip(comparison.levels, before.levels, strict=True))
    ]


def _percent(bits: float) -> int:
    return min(100, round(abs(bits) / BAR_BITS * 100))

"""The nouns of moving data: nights and their steps."""

from sync.models.night import NightRun, NightStep

__all__ = ["NightRun", "NightStep"]

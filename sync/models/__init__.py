"""The nouns of moving data: nights, their steps, and what the coming one would do."""

from sync.models.night import NightRun, NightStep
from sync.models.plan import NightPlan, PlanLine, PlanLineRef

__all__ = ["NightPlan", "NightRun", "NightStep", "PlanLine", "PlanLineRef"]

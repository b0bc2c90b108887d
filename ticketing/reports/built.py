"""A report as it was built for one reader: table, chart, and how old its figures are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ticketing.reports.charts import Chart
from ticketing.reports.table import Table
from ticketing.services.kept_reports import Answer, Question


@dataclass(frozen=True)
class Built:
    """What is shown, the answers it stands on, and what the reader should know of it, as sentences."""

    table: Table
    chart: Chart | None
    answers: Sequence[Answer] = ()
    notes: Sequence[str] = ()

    @property
    def as_of(self) -> datetime | None:
        """The moment of the oldest sums in it; None where all were counted for this look."""
        return min((answer.as_of for answer in self.answers if answer.is_kept), default=None)

    @property
    def kept(self) -> list[Question]:
        """What was not counted for this look."""
        return [answer.question for answer in self.answers if answer.is_kept]

"""The nouns of ticketing: what people bought, and how it is pulled from their systems."""

from ticketing.models.connection import SourceConnection, SourceHint, SourceSecret
from ticketing.models.pull_run import PullAlarm, PullRun, StagedRow, WaitingRow
from ticketing.models.purchase import Purchase
from ticketing.models.purchase_print import PurchasePrint
from ticketing.models.report import KeptReport
from ticketing.models.write_back import WriteBack

__all__ = [
    "KeptReport",
    "PullAlarm",
    "PullRun",
    "Purchase",
    "PurchasePrint",
    "SourceConnection",
    "SourceHint",
    "SourceSecret",
    "StagedRow",
    "WaitingRow",
    "WriteBack",
]

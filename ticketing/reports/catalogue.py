"""The reports there are, in their order: what each tells, what may be chosen, and how it is built."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ticketing.reports.built import Built
from ticketing.reports.buyers import buyers_report
from ticketing.reports.filters import PERIOD
from ticketing.reports.newcomers import newcomers_report
from ticketing.reports.people import overlap_report, quality_report
from ticketing.reports.sales import by
from ticketing.reports.scope import Scope
from ticketing.services.report_sums import Part

_PLACES = ("unit", "system")


@dataclass(frozen=True)
class Report:
    """`key` stands in its address; `sentence` says what it tells."""

    key: str
    title: str
    sentence: str
    takes: Sequence[str]
    build: Callable[[Scope], Built]


REPORTS: dict[str, Report] = {
    report.key: report
    for report in (
        Report(
            "months",
            "By month",
            "Purchases and revenue by the month of the purchase and by system.",
            (*PERIOD, "season", *_PLACES, "kind", "status"),
            by(Part.MONTH),
        ),
        Report(
            "seasons",
            "By season",
            "Purchases and revenue by the year of the event, else of the purchase, and by system.",
            (*PERIOD, *_PLACES, "kind", "status"),
            by(Part.SEASON),
        ),
        Report(
            "kinds",
            "By kind",
            "Purchases and revenue of single tickets, packages and season tickets by system.",
            (*PERIOD, "season", *_PLACES, "status"),
            by(Part.KIND),
        ),
        Report(
            "buyers",
            "Top buyers",
            "The contacts who spent most in the systems you may see.",
            (*PERIOD, "season", *_PLACES, "kind", "status"),
            buyers_report,
        ),
        Report(
            "newcomers",
            "New and returning",
            "Who bought for the first time, and who came back; a person counts once over all systems.",
            ("by", *PERIOD, *_PLACES, "kind"),
            newcomers_report,
        ),
        Report(
            "overlap",
            "Contacts and overlap",
            "How many people each system knows, and the share of them that another one knows as well.",
            _PLACES,
            overlap_report,
        ),
        Report(
            "quality",
            "Data quality",
            "How complete each system's records are; stale: not updated for two years.",
            _PLACES,
            quality_report,
        ),
    )
}

"""What the demonstration says at the end: tables in plain text."""

from collections import Counter
from collections.abc import Sequence

from django.db.models import Count

from contacts.models import Mapping, TicketSystem
from contacts.services.evaluate import Quality
from kore_site.demo.club import STAFF
from kore_site.demo.load import Imported, counts_in_words
from sync.models import NightRun

Cell = str | int | float


def table(headings: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """Rows under headings, as wide as they need to be; numbers to the right."""
    written = [[_written(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(headings, *written, strict=True)]
    to_the_right = [not isinstance(cell, str) for cell in rows[0]]
    lines = [
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, to_the_right, strict=True)
        ).rstrip()
        for row in (headings, ["─" * width for width in widths], *written)
    ]
    return "\n".join(f"  {line}" for line in lines)


def _written(cell: Cell) -> str:
    if isinstance(cell, str):
        return cell
    return f"{cell:,}" if isinstance(cell, int) else f"{cell:.1f}"


def systems_table() -> str:
    """The ticket systems with what they hold."""
    systems = (
        TicketSystem.objects.annotate(
            refs=Count("system_refs", distinct=True), lines=Count("purchases", distinct=True)
        )
        .filter(refs__gt=0)
        .select_related("business_unit")
        .order_by("rank")
    )
    return table(
        ("system", "name", "business unit", "calls its refs", "rank", "refs", "purchases"),
        [(s.code, s.name, s.business_unit.name, s.ref_label, s.rank, s.refs, s.lines) for s in systems],
    )


def imports_table(imports: Sequence[Imported]) -> str:
    """What came of each file."""
    names = ("created", "changed", "unchanged", "rejected", "held")
    return table(
        ("file", "into", *names, "seconds"),
        [(done.file, done.system, *(done.counts[name] for name in names), done.seconds) for done in imports],
    )


def nights_table(nights: Sequence[NightRun]) -> str:
    """Each step of each night, what it did and how long it took."""
    return table(
        ("night of", "step", "state", "what it did", "seconds"),
        [
            (f"{night.started_at:%d %b}", step.name, step.state, counts_in_words(step.counts), step.seconds)
            for night in nights
            for step in night.steps.order_by("position")
        ],
    )


def quality_table(quality: Quality) -> str:
    """How good the grouping is, pair by pair."""
    return table(
        ("precision", "recall", "F1", "contacts", "refs in the largest"),
        [
            (
                f"{quality.precision:.4f}",
                f"{quality.recall:.4f}",
                f"{quality.f1:.4f}",
                quality.groups,
                quality.largest_group,
            )
        ],
    )


def contacts_table() -> str:
    """How many golden records stand over how many refs."""
    sizes = Counter(
        Mapping.objects.values("contact").annotate(refs=Count("pk")).values_list("refs", flat=True)
    )
    return table(
        ("refs in one contact", "contacts", "share"),
        [
            *((str(size), number, f"{number / sizes.total():.0%}") for size, number in sorted(sizes.items())),
            ("any", sizes.total(), "100%"),
        ],
    )


def staff_table() -> str:
    """Who may sign in, and what they then see."""
    return table(
        ("sign in as", "role", "who sees"),
        [(person.username, person.role, person.sees) for person in STAFF],
    )

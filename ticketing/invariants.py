"""What must always be true of purchases and no constraint of the database can hold."""

from collections.abc import Iterator, Sequence

from contacts.invariants import Invariant, rows_of
from ticketing.services.recount import refs_with_wrong_sums


def _wrong_sums() -> Iterator[str]:
    return (f"System Ref {ref_id}" for ref_id in refs_with_wrong_sums())


INVARIANTS: Sequence[Invariant] = (
    Invariant(
        "a purchase is of the system of its System Ref",
        rows_of(
            """SELECT p.id FROM ticketing_purchase p JOIN contacts_systemref ref ON ref.id = p.system_ref_id
            WHERE p.system_id <> ref.system_id ORDER BY p.id""",
            "purchase {0}",
        ),
    ),
    Invariant("the sums that a System Ref keeps are those of its purchases", _wrong_sums),
)

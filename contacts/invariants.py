"""What must always be true of people's records and no constraint of the database can hold."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

from contacts.services.golden_check import stale_golden

_ROWS_AT_ONCE = 2_000


@dataclass(frozen=True)
class Invariant:
    """`find` gives what breaks it, one plain name each ("GroupID 7"), never a personal value."""

    name: str
    find: Callable[[], Iterator[str]]


def rows_of(sql: str, label: str, params: Sequence[Any] = ()) -> Callable[[], Iterator[str]]:
    """A `find` over a query that gives the rows which must not be; `label` takes their columns in order."""

    def find() -> Iterator[str]:
        with connection.cursor() as cursor:
            cursor.execute(sql, list(params))
            while rows := cursor.fetchmany(_ROWS_AT_ONCE):
                for row in rows:
                    yield label.format(*row)

    return find


def _stale_golden() -> Iterator[str]:
    return (f"GroupID {contact_id}" for contact_id in stale_golden())


# What people decided is looked at once a run is done with the refs: those that wait, as where somebody holds
# them in place, are judged after the run that takes them.
INVARIANTS: Sequence[Invariant] = (
    Invariant(
        "every Contact has System Refs",
        rows_of(
            """SELECT c.id FROM contacts_contact c
            WHERE NOT EXISTS (SELECT 1 FROM contacts_mapping m WHERE m.contact_id = c.id) ORDER BY c.id""",
            "GroupID {0}",
        ),
    ),
    Invariant(
        "every Contact has exactly one primary System Ref",
        rows_of(
            """SELECT contact_id FROM contacts_mapping GROUP BY contact_id
            HAVING sum(CASE WHEN is_primary THEN 1 ELSE 0 END) <> 1 ORDER BY contact_id""",
            "GroupID {0}",
        ),
    ),
    Invariant(
        "only a primary is chosen by hand or by a rule",
        rows_of(
            """SELECT system_ref_id FROM contacts_mapping
            WHERE NOT is_primary AND primary_by <> 'first_found' ORDER BY system_ref_id""",
            "System Ref {0}",
        ),
    ),
    Invariant(
        "no primary is gone at its source while another System Ref of its Contact stands",
        rows_of(
            """SELECT p.contact_id FROM contacts_goneref g
            JOIN contacts_mapping p ON p.system_ref_id = g.system_ref_id AND p.is_primary
            WHERE EXISTS (SELECT 1 FROM contacts_mapping o
                LEFT JOIN contacts_goneref also ON also.system_ref_id = o.system_ref_id
                WHERE o.contact_id = p.contact_id AND also.system_ref_id IS NULL) ORDER BY p.contact_id""",
            "GroupID {0}",
        ),
    ),
    Invariant(
        "the last move of a System Ref says where it is",
        rows_of(
            """SELECT m.system_ref_id FROM contacts_mapping m
            LEFT JOIN (SELECT system_ref_id, max(id) AS last FROM contacts_move GROUP BY system_ref_id) latest
            ON latest.system_ref_id = m.system_ref_id
            LEFT JOIN contacts_move move ON move.id = latest.last
            WHERE move.id IS NULL OR move.to_group <> m.contact_id OR move.is_primary <> m.is_primary
            ORDER BY m.system_ref_id""",
            "System Ref {0}",
        ),
    ),
    Invariant(
        "a pin points to a System Ref of its Contact",
        rows_of(
            """SELECT p.id, p.contact_id FROM contacts_goldenpin p
            LEFT JOIN contacts_mapping m ON m.system_ref_id = p.system_ref_id
            WHERE m.contact_id IS NULL OR m.contact_id <> p.contact_id ORDER BY p.id""",
            "pin {0} of GroupID {1}",
        ),
    ),
    Invariant(
        "a GroupID that lives is nobody's alias",
        rows_of(
            """SELECT DISTINCT a.group_id FROM contacts_groupalias a
            JOIN contacts_contact c ON c.id = a.group_id ORDER BY a.group_id""",
            "GroupID {0}",
        ),
    ),
    Invariant(
        "every GroupID that was ever allotted lives or leads somewhere",
        rows_of(
            """SELECT DISTINCT move.to_group FROM contacts_move move
            WHERE NOT EXISTS (SELECT 1 FROM contacts_contact c WHERE c.id = move.to_group)
            AND NOT EXISTS (SELECT 1 FROM contacts_groupalias a WHERE a.group_id = move.to_group)
            ORDER BY move.to_group""",
            "GroupID {0}",
        ),
    ),
    Invariant(
        "two refs that belong together by decision are together, or the pair is held",
        rows_of(
            """SELECT d.id FROM contacts_groupdecision d
            JOIN contacts_mapping l ON l.system_ref_id = d.left_id
            JOIN contacts_mapping r ON r.system_ref_id = d.right_id
            LEFT JOIN contacts_link link ON link.left_id = d.left_id AND link.right_id = d.right_id
            WHERE d.kind = 'must' AND d.until IS NULL AND l.contact_id <> r.contact_id
            AND (link.decision IS NULL OR link.decision = 'joined')
            AND d.since < (SELECT max(started_at) FROM contacts_groupingrun WHERE finished_at IS NOT NULL)
            AND NOT EXISTS (SELECT 1 FROM contacts_pendingref p
                WHERE p.system_ref_id IN (d.left_id, d.right_id))
            ORDER BY d.id""",
            "decision {0}",
        ),
    ),
    Invariant(
        "two refs that never belong together are apart",
        rows_of(
            """SELECT d.id FROM contacts_groupdecision d
            JOIN contacts_mapping l ON l.system_ref_id = d.left_id
            JOIN contacts_mapping r ON r.system_ref_id = d.right_id
            WHERE d.kind = 'never' AND d.until IS NULL AND l.contact_id = r.contact_id
            AND d.since < (SELECT max(started_at) FROM contacts_groupingrun WHERE finished_at IS NOT NULL)
            AND NOT EXISTS (SELECT 1 FROM contacts_pendingref p
                WHERE p.system_ref_id IN (d.left_id, d.right_id))
            ORDER BY d.id""",
            "decision {0}",
        ),
    ),
    Invariant(
        "no ref of a system that is not matched across shares a Contact with another system",
        rows_of(
            """SELECT m.contact_id FROM contacts_mapping m
            JOIN contacts_systemref ref ON ref.id = m.system_ref_id
            JOIN contacts_ticketsystem s ON s.id = ref.system_id
            GROUP BY m.contact_id
            HAVING count(DISTINCT ref.system_id) > 1
            AND sum(CASE WHEN s.is_matched_across THEN 0 ELSE 1 END) > 0
            ORDER BY m.contact_id""",
            "GroupID {0}",
        ),
    ),
    Invariant("stored golden values are what the System Refs say", _stale_golden),
)

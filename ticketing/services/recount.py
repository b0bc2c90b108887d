"""Recounts what System Refs keep of their purchases, where it is not what the purchases say."""

from collections.abc import Callable
from datetime import datetime

from django.db import connection, transaction

from contacts.models import Organisation
from ticketing.services.purchases import refresh_sums

REFS_AT_ONCE = 2_000
_ASTRAY = """
SELECT ref.id FROM contacts_systemref ref
LEFT JOIN (
    SELECT system_ref_id,
        sum(CASE WHEN currency = %s AND (status = 'paid' OR (status = 'refunded' AND amount < 0))
            THEN amount ELSE 0 END) AS spent,
        max(CASE WHEN status = 'paid' THEN purchased_at END) AS latest,
        max(CASE WHEN status = 'paid' AND kind = 'season' THEN 1 ELSE 0 END) AS seasons
    FROM ticketing_purchase GROUP BY system_ref_id
) bought ON bought.system_ref_id = ref.id
WHERE abs(ref.spent_total - coalesce(bought.spent, 0)) > 0.004
OR coalesce(
    ref.last_purchased_at <> bought.latest, (ref.last_purchased_at IS NULL) <> (bought.latest IS NULL)
)
OR ref.holds_season_ticket <> (coalesce(bought.seasons, 0) = 1)
ORDER BY ref.id
"""


def refs_with_wrong_sums() -> list[int]:
    """The System Refs that keep other sums than `refresh_sums` would; one query over everything."""
    with connection.cursor() as cursor:
        cursor.execute(_ASTRAY, [Organisation.load().currency])
        return [row[0] for row in cursor.fetchall()]


def recount_purchases(now: datetime, progress: Callable[[int, int], None]) -> dict[str, int]:
    """Repair every sum that is wrong, a few thousand refs in a transaction; returns how many there were."""
    astray = refs_with_wrong_sums()
    for start in range(0, len(astray), REFS_AT_ONCE):
        ids = astray[start : start + REFS_AT_ONCE]
        with transaction.atomic():
            refresh_sums(ids, now=now)
        progress(start + len(ids), len(astray))
    return {"repaired": len(astray)}

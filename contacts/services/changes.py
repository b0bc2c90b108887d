"""Notes that records changed, for the CRMs: types and ids, never values."""

from collections.abc import Iterable
from datetime import datetime

from contacts.models import Organisation, QueueObject


def record_changes(contact_ids: Iterable[int], *, now: datetime) -> None:
    """Note that these Contacts changed; call it in the transaction that changed them (DECISIONS 22).

    Notes nothing while no CRM is connected, because connecting one begins with a full load. At most one
    unclaimed note stands per Contact, however often it changes.
    """
    if not Organisation.load().is_crm_connected:
        return
    QueueObject.objects.bulk_create(
        [
            QueueObject(record_type=QueueObject.RecordType.CONTACT, record_id=contact_id, created_at=now)
            for contact_id in contact_ids
        ],
        ignore_conflicts=True,
        batch_size=5000,
    )

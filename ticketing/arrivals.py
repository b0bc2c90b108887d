"""What comes in through this app: files of purchases."""

from contacts import importers
from contacts.models import Job
from ticketing.resources import PURCHASE_COLUMNS
from ticketing.services.purchases import BoughtLine, admit_purchases, assess_purchases

importers.register(
    importers.Importer(
        kind=Job.Kind.IMPORT_PURCHASES,
        name="Purchases",
        permission="ticketing.add_purchase",
        columns=PURCHASE_COLUMNS,
        make=BoughtLine._make,
        admit=admit_purchases,
        assess=assess_purchases,
    )
)

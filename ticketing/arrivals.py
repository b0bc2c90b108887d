"""What comes in through this app: files of purchases."""

from contacts import importers
from contacts.models import Job
from ticketing.models import PurchasePrint
from ticketing.resources import PurchaseResource
from ticketing.services.purchases import BoughtLine, admit_purchases, assess_purchases

importers.register(
    importers.Importer(
        kind=Job.Kind.IMPORT_PURCHASES,
        key="purchase_id",
        prints=PurchasePrint,
        permission="ticketing.add_purchase",
        resource=PurchaseResource,
        make=BoughtLine._make,
        admit=admit_purchases,
        assess=assess_purchases,
    )
)

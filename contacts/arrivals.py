"""What comes in through this app: files of System Refs."""

from contacts import importers
from contacts.models import Job, SystemRefPrint
from contacts.resources import SystemRefResource
from contacts.services.arrivals import Arrival, admit, assess

importers.register(
    importers.Importer(
        kind=Job.Kind.IMPORT_SYSTEM_REFS,
        key="system_ref",
        prints=SystemRefPrint,
        permission="contacts.add_systemref",
        resource=SystemRefResource,
        make=Arrival._make,
        admit=admit,
        assess=assess,
    )
)

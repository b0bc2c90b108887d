"""What comes in through this app: files of System Refs."""

from contacts import importers
from contacts.models import Job
from contacts.resources import SYSTEM_REF_COLUMNS
from contacts.services.arrivals import Arrival, admit, assess

importers.register(
    importers.Importer(
        kind=Job.Kind.IMPORT_SYSTEM_REFS,
        name="System Refs",
        permission="contacts.add_systemref",
        columns=SYSTEM_REF_COLUMNS,
        make=Arrival._make,
        admit=admit,
        assess=assess,
    )
)

"""What comes in through this app: System Refs and the related names on them."""

from contacts import importers
from contacts.models import Job, RelatedNamePrint, SystemRefPrint
from contacts.resources import RelatedNameResource, SystemRefResource
from contacts.services.arrivals import Arrival, admit, assess
from contacts.services.related_names import NameLine, admit_related_names, assess_related_names

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

importers.register(
    importers.Importer(
        kind=Job.Kind.IMPORT_RELATED_NAMES,
        key="name_id",
        within="system_ref",
        prints=RelatedNamePrint,
        permission="contacts.add_systemref",
        resource=RelatedNameResource,
        make=NameLine._make,
        admit=admit_related_names,
        assess=assess_related_names,
    )
)

"""Brings a file of related names in."""

from contacts.management.import_command import ImportCommand
from contacts.models import Job


class Command(ImportCommand):
    help = (
        "Bring a CSV or XLSX file of related names in: the other people on accounts. Good rows go in, the "
        "others are named with the reason."
    )
    kind = Job.Kind.IMPORT_RELATED_NAMES

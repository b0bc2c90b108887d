"""Brings a file of purchases in."""

from contacts.management.import_command import ImportCommand
from contacts.models import Job


class Command(ImportCommand):
    help = "Bring a CSV or XLSX file of purchases in; good rows go in, the others are named with the reason."
    kind = Job.Kind.IMPORT_PURCHASES

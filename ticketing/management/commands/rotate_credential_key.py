"""Seals every credential with a new key, and forgets the old ones."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from contacts.vault import CannotOpen, add_key, drop_old_keys
from ticketing.management.source_commands import DATA_REFUSED
from ticketing.services.connections import seal_anew


class Command(BaseCommand):
    help = "Seal every stored credential with a new key. Cut off anywhere, it can be run again."

    def handle(self, *_args: Any, **_options: Any) -> None:
        add_key()
        try:
            count = seal_anew()
        except CannotOpen as error:
            raise CommandError(f"{error} No key was dropped.", returncode=DATA_REFUSED) from error
        dropped = drop_old_keys()
        self.stdout.write(
            f"{count:,} credentials are sealed with the new key; {dropped} old keys are dropped."
        )

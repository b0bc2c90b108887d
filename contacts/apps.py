"""The contacts app."""

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class ContactsConfig(AppConfig):
    name = "contacts"
    verbose_name = "Contacts"

    def ready(self) -> None:
        # Each app's guards and kinds of files (docs/LAYOUT.md, "The stack").
        autodiscover_modules("arrivals")

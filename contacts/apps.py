"""The contacts app."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.module_loading import autodiscover_modules


class ContactsConfig(AppConfig):
    name = "contacts"
    verbose_name = "Contacts"

    def ready(self) -> None:
        # Each app's guards and kinds of files (docs/LAYOUT.md, "The stack").
        autodiscover_modules("arrivals")
        post_migrate.connect(_make_search_index, sender=self)


def _make_search_index(**_: Any) -> None:
    from contacts.search_index import make_search_index  # noqa: PLC0415  (settings are not read before ready)

    make_search_index()

"""What stands in the database, in one value: to say that nothing was changed."""

import hashlib

from django.apps import apps

# What every request may write: who is signed in, and who was refused.
APART = ("sessions.Session", "contacts.RefusedAttempt", "admin.LogEntry")


def fingerprint() -> dict[str, str]:
    """By model a hash of all its rows; one query each."""
    return {
        model._meta.label: _hash(model)
        for model in apps.get_models()
        if model._meta.managed and not model._meta.proxy and model._meta.label not in APART
    }


def _hash(model) -> str:
    names = [column.attname for column in model._meta.concrete_fields if column.attname != "last_login"]
    rows = model._base_manager.order_by("pk").values_list(*names)
    return hashlib.sha256(repr(list(rows)).encode()).hexdigest()

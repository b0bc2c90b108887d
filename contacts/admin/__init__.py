"""The screens of people and of the systems that know them."""

from contacts.admin import (
    contact,
    group_changes,
    jobs,
    matching_rules,
    model_versions,
    primary_rules,
    rights,
    system_ref,
    ticket_systems,
)

__all__ = [
    "contact",
    "group_changes",
    "jobs",
    "matching_rules",
    "model_versions",
    "primary_rules",
    "rights",
    "system_ref",
    "ticket_systems",
]

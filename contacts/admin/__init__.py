"""The screens of people and of the systems that know them."""

from contacts.admin import (
    cases,
    contact,
    decisions,
    group_changes,
    group_requests,
    jobs,
    matching_rules,
    model_versions,
    primary_rules,
    review,
    rights,
    system_ref,
    ticket_systems,
)

__all__ = [
    "cases",
    "contact",
    "decisions",
    "group_changes",
    "group_requests",
    "jobs",
    "matching_rules",
    "model_versions",
    "primary_rules",
    "review",
    "rights",
    "system_ref",
    "ticket_systems",
]

"""The screens of people and of the systems that know them."""

from contacts.admin import contact, system_ref, ticket_systems

__all__ = ["contact", "system_ref", "ticket_systems"]

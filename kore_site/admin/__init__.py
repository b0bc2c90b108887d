"""The screens of the project itself: the organisation, its users, the background tasks."""

from kore_site.admin import accounts, background, organisation

__all__ = ["accounts", "background", "organisation"]

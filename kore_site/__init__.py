"""Wiring: settings, urls, the admin site, roles, demo. No business rules."""

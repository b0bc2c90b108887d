"""The contact page: what may stand on it, how apps declare their part, and its own panels.

An app that has something to say of a contact has a module `contact_page` with lists of the objects below:

    PANELS = [Panel(key="timeline", title="Timeline", ...)]
    BADGES = [season_ticket_badges]
    LINKS = [where_accounts_are_changed]
    MENU = [how_it_is_parted]
    WAYS_BACK = [where_a_change_is_reverted]

Nothing is imported from above: `declared` finds the modules as Django finds `admin.py`.
"""

from contacts.contact_page.menu import MENU
from contacts.contact_page.own_panels import BADGES, PANELS
from contacts.contact_page.page import show
from contacts.contact_page.parts import Badge, Link, MenuEntry, Panel, Shown, declared

__all__ = ["BADGES", "MENU", "PANELS", "Badge", "Link", "MenuEntry", "Panel", "Shown", "declared", "show"]

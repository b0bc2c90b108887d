"""The panels of the contact page that need nothing but people and their System Refs."""

from contacts.contact_page.accounts import accounts
from contacts.contact_page.crm_fields import crm_badges, crm_fields
from contacts.contact_page.groupings import groupings
from contacts.contact_page.history import history
from contacts.contact_page.household import household, household_badges
from contacts.contact_page.parts import Panel
from contacts.contact_page.why import why_in_brief, why_together

PANELS = [
    Panel(
        key="accounts", title="Accounts", place=10, template="contacts/panels/accounts.html", build=accounts
    ),
    Panel(
        key="crm",
        title="CRM fields",
        place=15,
        template="contacts/panels/crm_fields.html",
        build=crm_fields,
    ),
    Panel(
        key="why",
        title="Why together",
        place=30,
        template="contacts/panels/why.html",
        build=why_together,
        brief="contacts/panels/why_brief.html",
        build_brief=why_in_brief,
    ),
    Panel(
        key="household",
        title="Household",
        place=35,
        template="contacts/panels/household.html",
        build=household,
    ),
    Panel(
        key="groupings",
        title="Groupings",
        place=38,
        template="contacts/panels/groupings.html",
        build=groupings,
    ),
    Panel(key="history", title="History", place=40, template="contacts/panels/history.html", build=history),
]
BADGES = [crm_badges, household_badges]

"""The admin's name, its first page and its look."""

from unfold.sites import UnfoldAdminSite


class KoreAdminSite(UnfoldAdminSite):
    site_title = "Kore"
    site_header = "Kore"
    index_title = "Overview"
    enable_nav_sidebar = True

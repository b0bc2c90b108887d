"""What unfold is told of our look: names, styles, scripts, and where the sidebar comes from."""

from kore_site.palette import COLORS

# Dotted names: the settings read this before any app is loaded.
UNFOLD = {
    "SITE_TITLE": "Kore",
    "SITE_HEADER": "Kore",
    "SITE_SYMBOL": "join_inner",
    "SITE_URL": None,
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "kore_site.sidebar.favicon"}],
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": False,
    "DASHBOARD_CALLBACK": "kore_site.dashboard.overview",
    "STYLES": [
        "kore_site.sidebar.kore_css",
        "kore_site.sidebar.overview_css",
        "kore_site.sidebar.connections_css",
        "kore_site.sidebar.tdm_css",
    ],
    "SCRIPTS": ["kore_site.sidebar.keyboard_js", "kore_site.sidebar.tdm_js"],
    "COLORS": COLORS,
    "BORDER_RADIUS": "4px",
    "SIDEBAR": {"navigation": "kore_site.sidebar.sidebar"},
    "TABS": "kore_site.sidebar.tabs",
}

"""The admin's sections and their order, and what unfold is told of our look."""

UNFOLD = {
    "SITE_TITLE": "Kore",
    "SITE_HEADER": "Kore",
    "SITE_SYMBOL": "join_inner",
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
}

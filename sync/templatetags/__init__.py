"""Template tags of the overview and the nights."""

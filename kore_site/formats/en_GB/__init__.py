"""Dates short enough for dense lists: 12 Mar 2026, 14:05."""

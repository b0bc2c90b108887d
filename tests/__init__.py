"""Tests mirror the apps; journeys/ goes end to end, browser/ drives a real Chromium."""

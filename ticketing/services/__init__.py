"""The verbs of ticketing: purchases in."""

"""The verbs: every write, and every rule about a write."""

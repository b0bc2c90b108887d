"""The verbs of moving data: the night."""

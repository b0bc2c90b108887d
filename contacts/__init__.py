"""People: ticket systems and rights, System Refs, grouping, golden record, history."""

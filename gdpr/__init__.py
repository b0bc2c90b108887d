"""People's rights: what we hold of a person, and forgetting it."""

"""Template tags of connections and their pulls."""

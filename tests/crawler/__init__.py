"""Two isolated units, and a walk over every address that looks for traces of one in pages of the other."""

"""Where data comes from and where it is worked on: purchases, imports, the TDM."""

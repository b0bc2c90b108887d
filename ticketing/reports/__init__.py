"""Combined reports: tables and charts over everything, told to each reader as their rights allow."""

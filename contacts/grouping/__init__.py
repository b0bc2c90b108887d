"""Who is who: the pure grouping engine, from System Refs to groups, links and reasons."""

"""The search of a night: its tables, rankers, generated queries with their proof, and lists."""

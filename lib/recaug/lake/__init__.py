"""Delta: table contracts, replacing one partition in one commit, snapshots, the registry of runs."""

"""Ways to run a function on ranks, a file each; each knows its own library alone."""

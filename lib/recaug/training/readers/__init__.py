"""Readers of the lake's files, a file each; each knows its own library alone."""

"""The stages of a night: read tables, call, write tables, record in runs."""

"""pandas UDFs that sample from the generators in batch."""

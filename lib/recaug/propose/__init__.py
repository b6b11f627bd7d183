"""Proposes the YAML of a shop's log from a sample: each choice with its evidence, and what is unsure marked."""

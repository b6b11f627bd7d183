"""Baselines, scoring in blocks, top-k lists."""

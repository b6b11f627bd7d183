"""Ranking metrics, fidelity, the arms and the gate."""

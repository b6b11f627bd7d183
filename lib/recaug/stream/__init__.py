"""Real time: what arrives becomes events at once, and what follows from them, until the night does it better."""

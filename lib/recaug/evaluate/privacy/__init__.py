"""What generated rows tell of who taught them: membership inference, with its baselines and its controls."""

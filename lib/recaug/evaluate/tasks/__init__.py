"""What is tried: a file a task."""

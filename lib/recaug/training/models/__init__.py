"""Torch modules and losses, one model a file."""

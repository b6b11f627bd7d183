"""Where events arrive, a file each."""

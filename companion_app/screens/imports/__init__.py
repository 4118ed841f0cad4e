"""Files that were dropped for the host."""

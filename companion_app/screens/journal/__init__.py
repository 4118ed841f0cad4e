"""A device's journal."""

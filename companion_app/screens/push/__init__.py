"""Carrying a bundle to a device."""

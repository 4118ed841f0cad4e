"""Pairing with a new device."""

"""Runs signed specialists on a device: small, asynchronous, no cloud."""

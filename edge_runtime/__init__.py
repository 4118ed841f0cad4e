"""Runs signed specialists on a device: small, asynchronous, no cloud."""

__version__ = "0.1.0"

"""Thin HTTP routes over the device; see docs/device-api.md."""

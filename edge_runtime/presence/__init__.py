"""Tells an MQTT broker that this device is there and how its models fare, and hears when to look for updates."""

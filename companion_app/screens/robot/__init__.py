"""The robot beside a device: its map, driving it, zones, places, sensors."""

"""The calls of `edge_runtime.client.DeviceClient`, by subject."""

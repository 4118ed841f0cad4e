"""The host's HTTP API: the companion manages keys and runs lessons over it; docs/host-api.md describes it."""

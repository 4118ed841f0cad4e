"""Pipelines: a source, models and sinks, declared in a TOML file of the device; see docs/pipelines.md."""

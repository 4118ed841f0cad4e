"""Takes bundles onto the device: slots on disk, admission by golden vectors, rollback."""

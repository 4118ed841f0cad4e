"""Who the device is, whose bundles it trusts and who may talk to it."""

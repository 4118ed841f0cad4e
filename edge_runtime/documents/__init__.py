"""A person's own files on the device: found by their words, quoted with their names, without a network or a model."""

"""A sentence in, the calls out."""

"""Training: what students share (seeds, weights on disk, runs)."""

"""Several robots on one floor: who does what, and whose way is whose, with a leader that can be lost."""

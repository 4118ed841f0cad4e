"""Packs: a dataset and its task's spec as one signed file that others can find, check, import and build on."""

"""The screen where rows are looked at and mended."""

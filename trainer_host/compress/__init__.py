"""Compression: int8 model files, and the gate that compares them with what they came from."""

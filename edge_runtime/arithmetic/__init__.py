"""Arithmetic that is written as text: read, computed exactly, and shown step by step."""

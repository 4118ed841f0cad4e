"""Teaches, trains, compresses, gates, signs and pushes specialists."""

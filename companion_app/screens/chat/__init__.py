"""Conversations with language models."""

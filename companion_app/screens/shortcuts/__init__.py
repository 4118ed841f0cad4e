"""The keys of every command."""

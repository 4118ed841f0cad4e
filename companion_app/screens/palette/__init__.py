"""All commands, found by typing."""

"""A robot on wheels: what it may do (safety envelope), where it is, and how it gets to a place. Nothing here learns."""

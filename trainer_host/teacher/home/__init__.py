"""The built-in teacher of home commands: a grammar over generated homes, every example verified."""

"""One folder per screen: `screen.py` is what it does, `screen.kv` is how it looks."""

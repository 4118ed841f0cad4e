"""Sound that comes in: files and microphones, what a model hears of it, and what it listens for."""
